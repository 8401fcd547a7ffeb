"""The tables, the same in SQLite and PostgreSQL. Every change is a migration in app/ledger/migrations/versions.

`verdicts` is append-only. `counter` has one row, and whoever writes verdicts locks it first: the numbers are then given
and become visible in the same order, whatever the number of processes (docs/adr/0008-ledger.md).
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only under this name
MOMENT = 24  # characters of 2026-11-24T08:15:02.120Z
SHA256 = 64

verdicts = Table(
    "verdicts",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("product", String(63), nullable=False),
    Column("part_id", String(200)),
    Column("station", String(200)),
    Column("job", String(200)),
    Column("simulated", Boolean, nullable=False),
    Column("captured_at", String(MOMENT)),
    Column("received_at", String(MOMENT)),
    Column("queued_at", String(MOMENT)),
    Column("decided_at", String(MOMENT), nullable=False),
    Column("verdict", String(6), nullable=False),
    Column("code", String(63)),
    Column("detail", Text),
    Column("counts_as", String(6), nullable=False),
    Column("score", Double),
    Column("ng_above", Double),
    Column("review_above", Double),
    Column("decided_by", Double),
    Column("threshold_revision", Integer),
    Column("model_version", Integer),
    Column("model_digest", String(SHA256)),
    Column("spec_digest", String(SHA256)),
    Column("software", String(63)),
    Column("device", String(31)),
    Column("precision", String(15)),
    Column("picture_sha256", String(SHA256)),
    Column("picture_width", Integer),
    Column("picture_height", Integer),
    Column("picture_format", String(15)),
    Column("mean", Double),
    Column("contrast", Double),
    Column("sharpness", Double),
    Column("saturated_share", Double),
    Column("regions", JSON, nullable=False),
    Column("heatmap", JSON(none_as_null=True)),
    Column("timings_ms", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("supersedes", String(36)),
    Column("request_id", String(128)),
    Column("idempotency_key", String(255), unique=True),
    Column("reinspect", Boolean, nullable=False),
    Column("picture_kept", String(4)),
)
Index("verdicts_part", verdicts.c.part_id, verdicts.c.seq, sqlite_where=verdicts.c.part_id.is_not(None))
Index("verdicts_job", verdicts.c.job, verdicts.c.seq, sqlite_where=verdicts.c.job.is_not(None))

counter = Table(
    "counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("retired_seq", BigInteger, nullable=False),  # verdicts up to this one are no longer here
    Column("ledger_id", String(32), nullable=False),  # a cursor of another ledger is none of ours
    Column("cursor_key", LargeBinary(32), nullable=False),  # here, so that all processes of one ledger agree on it
)


def _author() -> tuple[Column[Any], ...]:
    """Who did it: app/author.py."""
    return (
        Column("who", String(200), nullable=False),
        Column("operator", String(200)),  # whom the request named, where `who` is the name of its key
        Column("authenticated", Boolean, nullable=False, server_default=false()),
    )


dispositions = Table(
    "dispositions",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("verdict_id", String(36), ForeignKey("verdicts.id"), nullable=False, index=True),
    Column("product", String(63), nullable=False, index=True),
    Column("found", String(9), nullable=False),  # good or defective
    Column("reason", Text),
    *_author(),
    Column("at", String(MOMENT), nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("verdict_id", String(36), ForeignKey("verdicts.id"), nullable=False, index=True),
    Column("held", Boolean, nullable=False),
    *_author(),
    Column("why", String(1000), nullable=False),
    Column("at", String(MOMENT), nullable=False),
)

thresholds = Table(
    "thresholds",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("product", String(63), nullable=False, index=True),
    Column("model_version", Integer, nullable=False),
    Column("model_digest", String(SHA256), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("ng_above", Double, nullable=False),
    Column("review_above", Double, nullable=False),
    *_author(),
    Column("why", String(1000), nullable=False),
    Column("at", String(MOMENT), nullable=False),
    UniqueConstraint("model_digest", "revision"),
)

reject_rates = Table(  # what charts learned as normal under a revision of the thresholds (app/drift_memory.py)
    "reject_rates",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("model_digest", String(SHA256), nullable=False),
    Column("station", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("rate", Double, nullable=False),
    Column("at", String(MOMENT), nullable=False),
    UniqueConstraint("model_digest", "station", "revision"),
)

old_heatmaps = Table(  # those of ledgers of schema 1, which held them in their rows; never written
    "old_heatmaps",
    metadata,
    Column("verdict_id", String(36), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

targets = Table(  # where verdicts are delivered to: how far each has come (docs/adr/0009-delivery.md)
    "targets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column(
        "epoch", Integer, nullable=False
    ),  # counts replays and take-overs: progress of an epoch before counts no more
    Column("seq", BigInteger, nullable=False),  # every station is done up to here
)

target_stations = Table(  # those that have come further than that
    "target_stations",
    metadata,
    Column("target", String(63), ForeignKey("targets.name"), primary_key=True),
    Column("station", String(200), primary_key=True),  # empty where the part names none
    Column("seq", BigInteger, nullable=False),
)

dead_letters = Table(  # verdicts that a receiver refused for good
    "dead_letters",
    metadata,
    Column("target", String(63), ForeignKey("targets.name"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("verdict_id", String(36), nullable=False),
    Column("station", String(200), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", String(MOMENT), nullable=False),
)
