"""Where verdicts are delivered to, how far each target has come, and what it refused."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Three tables; a target is enrolled when the service first has it."""
    op.create_table(
        "targets",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "target_stations",
        sa.Column("target", sa.String(63), sa.ForeignKey("targets.name"), primary_key=True),
        sa.Column("station", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("target", sa.String(63), sa.ForeignKey("targets.name"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("verdict_id", sa.String(36), nullable=False),
        sa.Column("station", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
