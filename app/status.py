"""What the service is doing now: workers, queues, products.

In: the pool, the admission, the catalog. Out: `Status`, and why the service is not ready. Refuses nothing, and changes
nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from app.admission import Admission, Held
from app.catalog import Catalog
from app.followed import Followed
from app.lane import Lane, LaneState
from app.ledger.ledger import Ledger
from app.pool import Pool
from app.residency import State


class ModelStatus(BaseModel):
    """A model in a worker's memory; only one that is `loaded` may leave it for another, the least recently used first.

    `leased`: has work waiting or running; `pinned`: serves, or was prepared. `engine`: how it is computed, empty until
    it is loaded (docs/adr/0017).
    """

    model: str
    state: State
    bytes: int
    engine: str


class WorkerStatus(BaseModel):
    """One device's worker. `runs_on` is the CPU where the device is not there; `since` is when `state` began.

    `models` are those that can score; `memory` says of each, and of those being loaded, why it is there. `hangs` are
    those restarts that were for want of an answer; `batches` says how often a batch had so many pictures.
    """

    device: str
    runs_on: str
    pid: int | None
    state: LaneState
    since: datetime
    restarts: int
    hangs: int
    batches: dict[int, int]
    resident_bytes: int
    models: list[str]
    memory: list[ModelStatus]


class QueueStatus(BaseModel):
    """Pictures that have come and have no answer yet, their bytes as they came, and the age of the oldest."""

    pictures: int
    bytes: int
    oldest_s: float


class Queues(BaseModel):
    """`waiting` are those that no worker has taken; the others are being decoded, scored or recorded."""

    total: QueueStatus
    waiting: int
    products: dict[str, QueueStatus]


class ProductStatus(BaseModel):
    """A product of the store, the version that serves, its largest batch, and the devices that hold it."""

    product: str
    state: Literal["serving", "unavailable"]
    reason: str | None
    version: int | None
    bytes: int | None
    golden_delta: float | None
    batch_limit: int | None
    devices: list[str]


class Status(BaseModel):
    """`not_ready` says why /readyz is false; `degraded` is `journal` while verdicts wait in it for the database, `cpu`
    where a CUDA device is wanted and not there.

    `stale` has each file (keys, certificate) whose newest content cannot be used, and why: that of before is in use.
    """

    version: str
    started_at: datetime
    uptime_s: float
    draining: bool
    degraded: Literal["journal", "cpu"] | None
    not_ready: list[str]
    stale: dict[str, str]
    workers: list[WorkerStatus]
    queues: Queues
    products: list[ProductStatus]


@dataclass(frozen=True)
class Run:
    """One life of the service."""

    version: str
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: float = field(default_factory=time.monotonic)


def why_not_ready(run: Run, pool: Pool, catalog: Catalog, ledger: Ledger) -> list[str]:
    """Reasons, for a person; none where a part can be inspected."""
    reasons = ["the service is stopping"] if run.stopping.is_set() else []
    if not pool.is_ready:
        reasons += [lane.trouble for lane in pool.lanes if lane.trouble is not None]
    if not ledger.takes_verdicts:
        reasons.append(ledger.trouble or "the ledger takes no verdicts")
    if not catalog.is_ready:
        failures = [f"{product}: {reason}" for product, reason in catalog.failures.items()]
        reasons += failures or ["no product has been loaded and scored its golden pictures yet"]
    return reasons


async def describe(
    *, run: Run, pool: Pool, admission: Admission, catalog: Catalog, ledger: Ledger, followed: Sequence[Followed]
) -> Status:
    """All of it, as it is now."""
    names = await asyncio.to_thread(catalog.products)
    now = time.monotonic()
    return Status(
        version=run.version,
        started_at=run.started_at,
        uptime_s=round(now - run.at, 3),
        draining=run.stopping.is_set(),
        degraded=_degraded(pool, ledger),
        not_ready=why_not_ready(run, pool, catalog, ledger),
        stale={file.name: file.trouble for file in followed if file.trouble is not None},
        workers=[_worker(lane) for lane in pool.lanes],
        queues=Queues(
            total=_queue(admission.total, now),
            waiting=pool.waiting,
            products={name: _queue(admission.products.get(name, Held()), now) for name in names},
        ),
        products=[_product(name, pool, catalog) for name in names],
    )


def _degraded(pool: Pool, ledger: Ledger) -> Literal["journal", "cpu"] | None:
    if ledger.spooled:
        return "journal"
    return "cpu" if any(lane.is_degraded for lane in pool.lanes) else None


def _worker(lane: Lane) -> WorkerStatus:
    return WorkerStatus(
        device=lane.device,
        runs_on=lane.runs_on,
        pid=lane.pid,
        state=lane.state,
        since=lane.since,
        restarts=lane.restarts,
        hangs=lane.hangs,
        batches=dict(sorted(lane.batches.items())),
        resident_bytes=lane.residency.bytes,
        models=[str(model) for model in lane.residency.models],
        memory=[
            ModelStatus(model=str(model), state=state, bytes=model.bytes, engine=lane.engines.get(model.digest, ""))
            for model, state in lane.residency.states
        ],
    )


def _queue(held: Held, now: float) -> QueueStatus:
    return QueueStatus(pictures=len(held), bytes=held.bytes, oldest_s=round(held.oldest_s(now), 3))


def _product(name: str, pool: Pool, catalog: Catalog) -> ProductStatus:
    served = catalog.served(name)
    digest = None if served is None else served.ref.digest
    return ProductStatus(
        product=name,
        state="unavailable" if served is None else "serving",
        reason=catalog.failures.get(name),
        version=None if served is None else served.ref.version,
        bytes=None if served is None else served.ref.bytes,
        golden_delta=pool.golden_delta.get(name),
        batch_limit=None if digest is None else pool.batch_limit(digest),
        devices=[lane.device for lane in pool.lanes if digest in lane.loaded],
    )
