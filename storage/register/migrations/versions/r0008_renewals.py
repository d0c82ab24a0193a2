"""Renewals of a lease are counted at its command, those of before stay commands of their own; what cars want; weather told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    """Adds columns and tables."""
    for name in ("renewals_asked", "renewals"):
        op.add_column("command", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("command", sa.Column("renewed_at", sa.BigInteger))
    op.add_column("trail", sa.Column("renewal", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "car_wish",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("ready_at", sa.BigInteger, nullable=False),
        sa.Column("energy_wh", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("t", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "weather_told",
        sa.Column("community", sa.Text, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("irradiance_wm2", sa.Double),
        sa.Column("temperature_c", sa.Double),
        sa.Column("told_at", sa.BigInteger, nullable=False),
    )
