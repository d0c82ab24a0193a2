"""Places, people, participants, keys, prices with validity; consents, runs, audit; the last two cannot be changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.register.migrations.frozen import freeze

revision = "r0002"
down_revision = "r0001"

_FROZEN = ("audit", "run")


def upgrade() -> None:
    """Makes the tables."""
    _places()
    _people()
    _participants()
    _records()
    for table in _FROZEN:
        freeze(table)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _row_id() -> sa.Column[int]:
    return sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _facts(name: str, *columns: sa.Column[Any]) -> None:
    """A table of facts: one row known now for each id and first day."""
    op.create_table(
        name,
        _row_id(),
        _text("id"),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("superseded_at", sa.BigInteger),
        *columns,
    )
    known = sa.text("superseded_at IS NULL")
    op.create_index(
        f"{name}_known", name, ["id", "valid_from"], unique=True, sqlite_where=known, postgresql_where=known
    )


def _places() -> None:
    _facts(
        "community",
        _text("name"),
        _text("kind", nullable=True),
        _text("region"),
        _text("grid_type", nullable=True),
        _text("municipality"),
        _text("timezone"),
    )
    _facts(
        "site",
        _text("community"),
        _text("name"),
        _text("kind"),
        _text("gateway", nullable=True),
        _text("address"),
        _text("municipality"),
        sa.Column("floor_area_m2", sa.Double),
        _text("opening_hours"),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
    )
    _facts(
        "device",
        _text("site"),
        _text("role"),
        _text("name"),
        sa.Column("interval_s", sa.Double, nullable=False),
        sa.Column("rated_w", sa.Double),
        sa.Column("capacity_wh", sa.Double),
    )


def _people() -> None:
    _facts("person", _text("name"), _text("mail"), _text("language"))
    _facts(
        "user_account",
        _text("person"),
        _text("role"),
        sa.Column("communities", sa.JSON, nullable=False),
        sa.Column("municipalities", sa.JSON, nullable=False),
        sa.Column("sites", sa.JSON, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
    )


def _participants() -> None:
    _facts(
        "participant",
        _text("community"),
        _text("person", nullable=True),
        _text("member_class"),
        sa.Column("social_tariff", sa.Boolean, nullable=False),
        _text("legal_basis"),
    )
    _facts("metering_point", _text("participant"), _text("direction"), _text("site", nullable=True))
    _facts(
        "sharing_key",
        _text("community"),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("key", sa.JSON, nullable=False),
    )
    _facts("price", _text("community", nullable=True), _text("what"), _text("value"), _text("unit"), _text("source"))


def _records() -> None:
    op.create_table(
        "consent",
        _row_id(),
        _text("person"),
        _text("purpose"),
        sa.Column("given_at", sa.BigInteger, nullable=False),
        _text("evidence"),
        sa.Column("withdrawn_at", sa.BigInteger),
    )
    op.create_index("consent_by_person", "consent", ["person"])
    op.create_table(
        "run",
        sa.Column("community", sa.Text, primary_key=True),
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        _text("status"),
        _text("inputs"),
        sa.Column("result", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        _text("created_by"),
    )
    op.create_table(
        "audit",
        _row_id(),
        sa.Column("t", sa.BigInteger, nullable=False),
        *(_text(name) for name in ("who", "action", "kind", "subject")),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        _text("why"),
    )
    op.create_index("audit_by_subject", "audit", ["subject"])
