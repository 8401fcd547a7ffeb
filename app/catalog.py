"""Which version of each product is served, and whether a worker has proved it.

In: the registry. Out: `Served`. Refuses: what model_store.errors draws. A version that became active on disk is
loaded and re-scored on a worker before it replaces the one that serves; until then the old one answers.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

from app.pool import Pool
from app.pool_errors import PoolError
from app.residency import weigh
from app.work import ModelRef
from model_store.errors import ArtifactError
from model_store.manifest import Manifest, read_manifest
from model_store.registry import Registry, VersionRef

log = logging.getLogger(__name__)
RECHECK_S = 1.0  # how often the active version is read from disk again, at most
RECOVER_S = 2.0  # between two attempts to become ready again
RETRY_S = 30.0  # before a version that did not load is tried again
RGB_BYTES, MAP_BYTES = 3, 4  # a pixel


@dataclass(frozen=True)
class Served:
    """A version that a worker has loaded and whose golden pictures scored as at export."""

    ref: ModelRef
    manifest: Manifest

    @cached_property
    def spec_digest(self) -> str:
        """SHA-256 of what the detector is, without its weights: canonical JSON of the manifest's `detector`."""
        spec = self.manifest.model_dump(mode="json", include={"detector"})["detector"]
        return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Failure:
    """Why a version does not serve, and when it was last tried."""

    kind: type[ArtifactError | PoolError]
    reason: str
    version: int | None
    at: float


Rehearse = Callable[[Served], Awaitable[None]]


async def _do_nothing(_: Served) -> None:
    pass


class Catalog:
    """What is served now."""

    def __init__(self, registry: Registry, pool: Pool) -> None:
        self._registry = registry
        self._pool = pool
        self._served: dict[str, Served] = {}
        self._checked: dict[str, float] = {}
        self._failures: dict[str, Failure] = {}
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.rehearse: Rehearse = _do_nothing
        """Called with each version that is proved, before it serves."""

    @property
    def is_ready(self) -> bool:
        """Whether at least one product can be inspected."""
        return bool(self._served)

    def products(self) -> tuple[str, ...]:
        """Every product of the store."""
        return self._registry.products()

    def served(self, product: str) -> Served | None:
        """What serves `product`, without asking the disk."""
        return self._served.get(product)

    def decoded_bytes(self, product: str) -> int:
        """What a large picture takes while it is held: its pixels, and its map; 0 of a usual one, which is small beside
        what the service takes anyway, and of what does not serve yet."""
        served = self._served.get(product)
        if served is None or served.manifest.detector.tiles is None:
            return 0
        size = served.manifest.detector.input
        return (RGB_BYTES + MAP_BYTES) * size.height * size.width

    @property
    def serving(self) -> tuple[Served, ...]:
        """Everything that serves."""
        return tuple(self._served.values())

    @property
    def failures(self) -> dict[str, str]:
        """Product → why its active version does not serve."""
        return {product: failure.reason for product, failure in self._failures.items()}

    async def prepare_all(self) -> None:
        """Load every product; one that fails is remembered and the others serve."""
        try:
            products = await asyncio.to_thread(self.products)
        except ArtifactError as error:
            log.error("the store cannot be read: %s", error)
            return
        for product in products:
            try:
                await self._pool.prepare((await self.resolve(product)).ref)
            except (ArtifactError, PoolError) as error:
                log.error("%s does not serve: %s", product, error)

    async def stay_ready(self, stopping: asyncio.Event) -> None:
        """Load every product, and do so again where no worker has any: a balancer sends nothing to who is not ready."""
        while not stopping.is_set():
            if not (self._pool.is_ready and self.is_ready):
                await self.prepare_all()
            await asyncio.sleep(RECOVER_S)

    async def resolve(self, product: str) -> Served:
        """What serves `product`. Asks the disk at most once a second, and never makes a served product wait for it."""
        served = self._served.get(product)
        if served is None:
            await asyncio.shield(self._load_in_background(product))  # which goes on where its caller goes away
            return self._served[product]
        if time.monotonic() - self._checked[product] >= RECHECK_S:
            self._load_in_background(product)
        return served

    async def load(self, found: VersionRef, reason: str = "proving") -> Served:
        """Load and prove a version on a worker, where it stays for this reason. What serves stays as it is."""
        manifest, digest = await asyncio.to_thread(read_manifest, found.path)
        size = weigh(found.path, manifest, self._registry.backbones_root)
        large = manifest.detector.tiles is not None
        ref = ModelRef(found.product, found.version, found.path.absolute(), digest, size, _sight(manifest), large)
        served = Served(ref, manifest)
        pin = f"{reason} {found.product}"
        self._pool.pins.hold(pin, digest)
        try:
            await self._pool.prepare(ref)
            await self.rehearse(served)
        except BaseException:
            self._pool.pins.drop(pin)
            raise
        return served

    def serve(self, served: Served) -> None:
        """From now on `served` answers for its product; what runs with the version before ends with it."""
        product = served.ref.product
        self._served[product] = served
        self._failures.pop(product, None)
        self._checked[product] = time.monotonic()
        self._pool.pins.hold(f"serving {product}", served.ref.digest)
        for reason in ("proving", "prepared"):
            self._pool.pins.drop(f"{reason} {product}", served.ref.digest)

    def release(self, product: str) -> None:
        """Let its versions leave the memory when others need room, until one is prepared or activated again."""
        for reason in ("serving", "prepared"):
            self._pool.pins.drop(f"{reason} {product}")

    def turn(self, product: str) -> asyncio.Lock:
        """Held by whoever decides what serves `product`."""
        return self._turns.setdefault(product, asyncio.Lock())

    def _load_in_background(self, product: str) -> asyncio.Task[None]:
        """One load of a product at a time, whoever waits for it."""
        task = self._loads.get(product)
        if task is None:
            task = self._loads[product] = asyncio.create_task(self._load_active(product))
            task.add_done_callback(lambda done: self._note_end(product, done))
        return task

    def _note_end(self, product: str, task: asyncio.Task[None]) -> None:
        del self._loads[product]
        error = None if task.cancelled() else task.exception()
        if product in self._served:
            self._checked[product] = time.monotonic()
            if error is not None:
                log.warning("%s goes on with its version before: %s", product, error)

    async def _load_active(self, product: str) -> None:
        """Make the active version the one that serves; a version that has just failed is not tried at every picture."""
        async with self.turn(product):
            found = await asyncio.to_thread(self._registry.resolve, product)
            before, failure = self._served.get(product), self._failures.get(product)
            if before is not None and before.ref.version == found.version:
                self._failures.pop(product, None)
                self._checked[product] = time.monotonic()
                return
            if failure and failure.version == found.version and time.monotonic() - failure.at < RETRY_S:
                raise failure.kind(failure.reason)
            try:
                self.serve(await self.load(found))
            except (ArtifactError, PoolError) as error:
                self._failures[product] = Failure(type(error), str(error), found.version, time.monotonic())
                raise


def _sight(manifest: Manifest) -> str:
    """Digest of what the product shares with others, or nothing."""
    sight = manifest.detector.sight
    return "" if sight is None else hashlib.sha256(repr(sight).encode()).hexdigest()
