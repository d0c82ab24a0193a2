"""Readings of settled months, and what late ones change by metering point."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0010"


def upgrade() -> None:
    """Adds a table and a column."""
    op.create_table(
        "settled_readings",
        sa.Column("community", sa.Text, primary_key=True),
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("meters", sa.LargeBinary),
        sa.Column("seen", sa.Text),
    )
    op.add_column("reopened", sa.Column("late", sa.LargeBinary))
