"""What people did to alerts, one row each; the acknowledgements that were kept with the alerts become the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    """Makes the table and moves the acknowledgements."""
    op.create_table(
        "alert_act",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("alert", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("t", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("alert_act_by_alert", "alert_act", ["alert"])
    op.execute(
        "INSERT INTO alert_act (alert, act, t, by, reason)"
        " SELECT id, 'acknowledge', acknowledged_at, acknowledged_by, '' FROM alert"
        " WHERE acknowledged_at IS NOT NULL AND acknowledged_by IS NOT NULL ORDER BY acknowledged_at"
    )
    op.drop_column("alert", "acknowledged_at")
    op.drop_column("alert", "acknowledged_by")
