"""Renewals of a lease are counted at its command. Those of before stay commands of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    """Adds the columns."""
    for name in ("renewals_asked", "renewals"):
        op.add_column("command", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("command", sa.Column("renewed_at", sa.BigInteger))
    op.add_column("trail", sa.Column("renewal", sa.BigInteger, nullable=False, server_default="0"))
