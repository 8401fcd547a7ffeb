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


class WorkerStatus(BaseModel):
    """One device's worker. `runs_on` is the CPU where the device is not there; `since` is when `state` began."""

    device: str
    runs_on: str
    pid: int | None
    state: LaneState
    since: datetime
    restarts: int
    resident_bytes: int
    models: list[str]


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
    """A product of the store, the version that serves, and the devices that hold it."""

    product: str
    state: Literal["serving", "unavailable"]
    reason: str | None
    version: int | None
    bytes: int | None
    golden_delta: float | None
    devices: list[str]


class Status(BaseModel):
    """`not_ready` says why /readyz is false; `degraded` is `cpu` where a CUDA device is wanted and not there.

    `stale` has each file (keys, certificate) whose newest content cannot be used, and why: that of before is in use.
    """

    version: str
    started_at: datetime
    uptime_s: float
    draining: bool
    degraded: Literal["cpu"] | None
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
    if ledger.trouble is not None:
        reasons.append(ledger.trouble)
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
        degraded="cpu" if any(lane.is_degraded for lane in pool.lanes) else None,
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


def _worker(lane: Lane) -> WorkerStatus:
    return WorkerStatus(
        device=lane.device,
        runs_on=lane.runs_on,
        pid=lane.pid,
        state=lane.state,
        since=lane.since,
        restarts=lane.restarts,
        resident_bytes=lane.resident_bytes,
        models=[str(model) for model in lane.loaded.values()],
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
        devices=[lane.device for lane in pool.lanes if digest in lane.loaded],
    )
