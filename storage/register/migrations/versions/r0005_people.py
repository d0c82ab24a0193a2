"""API keys, logins at an identity provider, members' settled quarter-hours; a count of what changes who may come in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"

_DECIDE_ACCESS = ("api_key", "user_account", "participant", "metering_point")


def upgrade() -> None:
    """Makes the tables, the column and the triggers."""
    _keys()
    _curves()
    op.add_column("user_account", sa.Column("login", sa.Text, nullable=False, server_default=""))
    op.execute("INSERT INTO tally (name, value) VALUES ('access', 1)")
    for table in _DECIDE_ACCESS:
        _count_changes(table)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        _text("name"),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        _text("role"),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("communities", "municipalities", "sites", "participants")
        ),
        _text("owner", nullable=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        _text("created_by"),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
        _text("revoked_by", nullable=True),
    )
    stands = sa.text("revoked IS NULL")
    op.create_index("api_key_name", "api_key", ["name"], unique=True, sqlite_where=stands, postgresql_where=stands)


def _curves() -> None:
    op.create_table(
        "curve",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("community", "month", "point", "participant")),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("curve_by_participant", "curve", ["participant"])


def _count_changes(table: str) -> None:
    """Whoever writes, by whatever program: who holds a copy of the table sees by the count that it is old."""
    counted = "UPDATE tally SET value = value + 1 WHERE name = 'access'"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("INSERT", "UPDATE", "DELETE"):
            op.execute(f"CREATE TRIGGER {table}_{act.lower()}_counted AFTER {act} ON {table} BEGIN {counted}; END")
        return
    op.execute(
        f"CREATE FUNCTION {table}_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {counted}; RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_counted()"
    )
