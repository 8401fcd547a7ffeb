"""Whether a picture was kept, holds on what was kept, and threshold revisions that people made."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Pictures of before were not kept; nothing was on hold."""
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.add_column("verdicts", sa.Column("picture_kept", sa.String(4)))
    op.create_table(
        "holds",
        sa.Column("seq", serial, primary_key=True),
        sa.Column("verdict_id", sa.String(36), sa.ForeignKey("verdicts.id"), nullable=False, index=True),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.String(1000), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
    op.create_table(
        "thresholds",
        sa.Column("seq", serial, primary_key=True),
        sa.Column("product", sa.String(63), nullable=False, index=True),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("ng_above", sa.Double, nullable=False),
        sa.Column("review_above", sa.Double, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.String(1000), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.UniqueConstraint("model_digest", "revision"),
    )
