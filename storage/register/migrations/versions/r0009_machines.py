"""What people want machines to run for, and since when they do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "machine_wish",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("earliest", sa.BigInteger, nullable=False),
        sa.Column("finish_by", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("t", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
    )
