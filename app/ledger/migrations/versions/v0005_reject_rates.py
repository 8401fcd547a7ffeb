"""Reject rates that charts learned as normal, so that a restart does not learn them from parts that are not."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """None was kept before."""
    op.create_table(
        "reject_rates",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("station", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("rate", sa.Double, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.UniqueConstraint("model_digest", "station", "revision"),
    )
