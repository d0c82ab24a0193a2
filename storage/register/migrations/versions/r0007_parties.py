"""Who stands on documents as issuer or receiver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"

_TEXTS = ("name", "street", "postcode", "city", "country", "vat_number", "company_number", "peppol", "iban", "bic")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "billing_party",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("superseded_at", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*_TEXTS, "creditor_id", "mandate")),
        sa.Column("mandate_signed", sa.Date),
    )
    known = sa.text("superseded_at IS NULL")
    op.create_index(
        "billing_party_known",
        "billing_party",
        ["id", "valid_from"],
        unique=True,
        sqlite_where=known,
        postgresql_where=known,
    )
