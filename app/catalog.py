"""Which version of each product is served, and whether a worker has proved it.

In: the registry. Out: `Served`. Refuses: what model_store.errors draws. A version that became active on disk is
loaded and re-scored on a worker before it replaces the one that serves; until then the old one answers.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from app.pool import Pool
from app.pool_errors import ModelUnavailable
from app.work import ModelRef
from model_store.errors import ArtifactError
from model_store.manifest import Manifest, read_manifest
from model_store.registry import Registry

log = logging.getLogger(__name__)
RECHECK_S = 1.0  # how often the active version is read from disk again, at most


@dataclass(frozen=True)
class Served:
    """A version that a worker has loaded and whose golden pictures scored as at export."""

    ref: ModelRef
    manifest: Manifest


class Catalog:
    """What is served now."""

    def __init__(self, registry: Registry, pool: Pool) -> None:
        self._registry = registry
        self._pool = pool
        self._served: dict[str, Served] = {}
        self._checked: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.failures: dict[str, str] = {}
        """Product → why its active version does not serve."""

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

    async def prepare_all(self) -> None:
        """Load every product; one that fails is remembered and the others serve."""
        for product in self.products():
            try:
                await self.resolve(product)
            except (ArtifactError, ModelUnavailable) as error:
                log.error("%s does not serve: %s", product, error)

    async def resolve(self, product: str) -> Served:
        """What serves `product`, after a look at the disk at most once a second."""
        served = self._served.get(product)
        if served is not None and time.monotonic() - self._checked[product] < RECHECK_S:
            return served
        async with self._locks.setdefault(product, asyncio.Lock()):
            return await self._refresh(product)

    async def _refresh(self, product: str) -> Served:
        before = self._served.get(product)
        try:
            found = self._registry.resolve(product)
            if before is None or before.ref.version != found.version:
                manifest, digest = read_manifest(found.path)
                ref = ModelRef(product, found.version, found.path.absolute(), digest)
                await self._pool.prepare(ref)
                self._served[product] = Served(ref, manifest)
            self.failures.pop(product, None)
        except (ArtifactError, ModelUnavailable) as error:
            if before is None:
                self._locks.pop(product, None)  # names that are no product must not pile up
                if product in self.products():
                    self.failures[product] = str(error)
                raise
            self.failures[product] = str(error)
        self._checked[product] = time.monotonic()
        return self._served[product]
