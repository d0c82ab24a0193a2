"""Meters read by hand, and daily temperatures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "index_reading",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("site", "meter")),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("index_read", sa.Text, nullable=False),
        sa.Column("exchanged_to", sa.Text),
        sa.Column("rolled", sa.Boolean, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("superseded_at", sa.BigInteger),
    )
    op.create_index(
        "index_reading_now",
        "index_reading",
        ["site", "meter", "day"],
        unique=True,
        sqlite_where=sa.text("superseded_at IS NULL"),
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_table(
        "weather_day",
        sa.Column("station", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("mean_c", sa.Double, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
    )
