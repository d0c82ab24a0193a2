"""Documents that were issued: numbered without gaps, never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.register.migrations.frozen import freeze

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "document",
        sa.Column("community", sa.Text, primary_key=True),
        sa.Column("year", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("number", "kind", "member", "month")),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("document_by_month", "document", ["community", "month"])
    freeze("document")
