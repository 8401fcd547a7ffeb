"""Whether who is named by a key, and the person that the request named beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Entries of before have what requests said as `who`: none is authenticated."""
    for table in ("dispositions", "holds", "thresholds"):
        op.add_column(table, sa.Column("operator", sa.String(200)))
        op.add_column(table, sa.Column("authenticated", sa.Boolean, nullable=False, server_default=sa.false()))
