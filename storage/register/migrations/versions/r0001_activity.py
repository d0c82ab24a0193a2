"""Alerts, commands with their trail, quarantine. A SQLite register from before Alembic has them and is taken over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables, or takes over those that are there."""
    if "command" in sa.inspect(op.get_bind()).get_table_names():
        # results without their command had been kept with a text where bytes are read now
        op.execute("UPDATE command SET values_json = CAST(values_json AS BLOB) WHERE typeof(values_json) = 'text'")
        return
    _commands()
    _alerts()
    _quarantine()


def _commands() -> None:
    op.create_table(
        "command",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("values_json", sa.LargeBinary, nullable=False),
        sa.Column("ttl_s", sa.Double, nullable=False),
        sa.Column("issued_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("t", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("asked_until", sa.BigInteger),
    )
    op.create_index("command_by_time", "command", ["t"])
    active = sa.text("state IN ('asked', 'applied')")
    op.create_index("command_active", "command", ["t"], sqlite_where=active, postgresql_where=active)
    op.create_table(
        "trail",
        sa.Column("command", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("t", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )


def _alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("community", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("acknowledged_by", sa.Text),
    )
    op.create_index("alert_by_time", "alert", ["since"])
    still_open = sa.text("state <> 'cleared'")
    op.create_index("alert_open", "alert", ["since"], sqlite_where=still_open, postgresql_where=still_open)


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("gateway", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("first_t", sa.BigInteger, nullable=False),
        sa.Column("t", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("quarantine_by_time", "quarantine", ["t"])
    op.create_table(
        "tally",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
