"""Which version of each product is served, and whether a worker has proved it.

In: the registry. Out: `Served`. Refuses: what model_store.errors draws. A version that became active on disk is
loaded and re-scored on a worker before it replaces the one that serves; until then the old one answers.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from app.pool import Pool
from app.pool_errors import PoolError
from app.residency import weigh
from app.work import ModelRef
from model_store.errors import ArtifactError
from model_store.manifest import Manifest, read_manifest
from model_store.registry import Registry

log = logging.getLogger(__name__)
RECHECK_S = 1.0  # how often the active version is read from disk again, at most
RETRY_S = 30.0  # before a version that did not load is tried again


@dataclass(frozen=True)
class Served:
    """A version that a worker has loaded and whose golden pictures scored as at export."""

    ref: ModelRef
    manifest: Manifest


@dataclass(frozen=True)
class Failure:
    """Why a version does not serve, and when it was last tried."""

    kind: type[ArtifactError | PoolError]
    reason: str
    version: int | None
    at: float


class Catalog:
    """What is served now."""

    def __init__(self, registry: Registry, pool: Pool) -> None:
        self._registry = registry
        self._pool = pool
        self._served: dict[str, Served] = {}
        self._checked: dict[str, float] = {}
        self._failures: dict[str, Failure] = {}
        self._first = asyncio.Lock()
        self._refreshing: dict[str, asyncio.Task[None]] = {}

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

    def failure(self, product: str) -> str | None:
        """Why the active version of `product` does not serve."""
        failure = self._failures.get(product)
        return None if failure is None else failure.reason

    async def prepare_all(self) -> None:
        """Load every product; one that fails is remembered and the others serve."""
        for product in self.products():
            try:
                await self.resolve(product)
            except (ArtifactError, PoolError) as error:
                log.error("%s does not serve: %s", product, error)

    async def resolve(self, product: str) -> Served:
        """What serves `product`. Asks the disk at most once a second, and never makes a served product wait for it."""
        served = self._served.get(product)
        if served is None:
            async with self._first:
                if product not in self._served:
                    await self._load_active(product)
            return self._served[product]
        if time.monotonic() - self._checked[product] >= RECHECK_S and product not in self._refreshing:
            self._refreshing[product] = asyncio.create_task(self._refresh(product))
        return served

    async def _refresh(self, product: str) -> None:
        try:
            await self._load_active(product)
        except (ArtifactError, PoolError) as error:
            log.warning("%s goes on with its version before: %s", product, error)
        finally:
            self._checked[product] = time.monotonic()
            del self._refreshing[product]

    async def _load_active(self, product: str) -> None:
        """Make the active version the one that serves; a version that has just failed is not tried at every picture."""
        found = await asyncio.to_thread(self._registry.resolve, product)
        before, failure = self._served.get(product), self._failures.get(product)
        if before is None or before.ref.version != found.version:
            if failure and failure.version == found.version and time.monotonic() - failure.at < RETRY_S:
                raise failure.kind(failure.reason)
            try:
                manifest, digest = await asyncio.to_thread(read_manifest, found.path)
                size = weigh(found.path, manifest, self._registry.backbones_root)
                ref = ModelRef(product, found.version, found.path.absolute(), digest, size)
                await self._pool.prepare(ref)
            except (ArtifactError, PoolError) as error:
                self._failures[product] = Failure(type(error), str(error), found.version, time.monotonic())
                raise
            self._served[product] = Served(ref, manifest)
        self._failures.pop(product, None)
        self._checked[product] = time.monotonic()
