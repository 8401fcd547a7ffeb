"""The record of an inspection, the counter that numbers it, and what people found of the parts."""

import secrets
import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything; a ledger of before Alembic is copied by app/ledger/legacy.py."""
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table("verdicts", *_who(serial), *_decision(), *_picture(), *_rest())
    op.create_index("verdicts_part", "verdicts", ["part_id", "seq"], sqlite_where=sa.text("part_id IS NOT NULL"))
    op.create_index("verdicts_job", "verdicts", ["job", "seq"], sqlite_where=sa.text("job IS NOT NULL"))
    counter = op.create_table(
        "counter",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("retired_seq", sa.BigInteger, nullable=False),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("cursor_key", sa.LargeBinary(32), nullable=False),
    )
    first = {"id": 1, "last_seq": 0, "retired_seq": 0}
    op.bulk_insert(counter, [first | {"ledger_id": uuid.uuid4().hex, "cursor_key": secrets.token_bytes(32)}])
    op.create_table(
        "dispositions",
        sa.Column("seq", serial, primary_key=True),
        sa.Column("verdict_id", sa.String(36), sa.ForeignKey("verdicts.id"), nullable=False, index=True),
        sa.Column("product", sa.String(63), nullable=False, index=True),
        sa.Column("found", sa.String(9), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
    op.create_table(
        "old_heatmaps",
        sa.Column("verdict_id", sa.String(36), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _who(serial: sa.types.TypeEngine[int]) -> list[sa.Column[Any]]:
    return [
        sa.Column("seq", serial, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("product", sa.String(63), nullable=False),
        *(sa.Column(name, sa.String(200)) for name in ("part_id", "station", "job")),
        sa.Column("simulated", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.String(24)) for name in ("captured_at", "received_at", "queued_at")),
        sa.Column("decided_at", sa.String(24), nullable=False),
    ]


def _decision() -> list[sa.Column[Any]]:
    return [
        sa.Column("verdict", sa.String(6), nullable=False),
        sa.Column("code", sa.String(63)),
        sa.Column("detail", sa.Text),
        sa.Column("counts_as", sa.String(6), nullable=False),
        *(sa.Column(name, sa.Double) for name in ("score", "ng_above", "review_above", "decided_by")),
        sa.Column("threshold_revision", sa.Integer),
        sa.Column("model_version", sa.Integer),
        sa.Column("model_digest", sa.String(64)),
        sa.Column("spec_digest", sa.String(64)),
        sa.Column("software", sa.String(63)),
        sa.Column("device", sa.String(31)),
        sa.Column("precision", sa.String(15)),
    ]


def _picture() -> list[sa.Column[Any]]:
    return [
        sa.Column("picture_sha256", sa.String(64)),
        sa.Column("picture_width", sa.Integer),
        sa.Column("picture_height", sa.Integer),
        sa.Column("picture_format", sa.String(15)),
        *(sa.Column(name, sa.Double) for name in ("mean", "contrast", "sharpness", "saturated_share")),
    ]


def _rest() -> list[sa.Column[Any]]:
    return [
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("heatmap", sa.JSON),
        sa.Column("timings_ms", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("supersedes", sa.String(36)),
        sa.Column("request_id", sa.String(128)),
        sa.Column("idempotency_key", sa.String(255), unique=True),
        sa.Column("reinspect", sa.Boolean, nullable=False),
    ]
