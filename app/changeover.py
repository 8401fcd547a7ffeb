"""From one version of a product to another, while parts come.

In: a product and a version. Out: how far its preparation is; what serves from now on. Refuses: what model_store.errors
draws; a version that does not load, or does not score its golden pictures as at export (`VersionRefused`). A version is
proved on a worker before anything changes: until then, and whenever that fails, the one before serves. What is in work
at that moment is finished by the version that it began with.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from app.catalog import Catalog, Served
from app.errors import NotPrepared, VersionRefused
from app.pool_errors import ModelTooLarge, NoRoom, PoolError
from app.residency import weigh
from model_store.errors import ArtifactError
from model_store.manifest import read_manifest
from model_store.registry import Registry, VersionRef

FIRST_GUESS_S = 5.0  # of a load, before one has been measured


@dataclass
class Preparation:
    """A load that was asked for before its version is activated."""

    found: VersionRef
    bytes: int
    estimated_s: float
    started_at: float
    state: Literal["loading", "ready", "failed"] = "loading"
    reason: str | None = None
    ended_at: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Since its beginning, or what it took."""
        return (self.ended_at or time.monotonic()) - self.started_at


class Changeover:
    """Preparations by product, and the steps that change what serves."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog
        self._preparations: dict[str, Preparation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._seconds_per_byte: float | None = None

    async def prepare(self, product: str, version: int | None) -> Preparation:
        """Begin to load `version`, the newest where it is None; one that is being loaded is not begun again."""
        found = await asyncio.to_thread(self._find, product, version)
        current = self._preparations.get(product)
        if current is not None and current.state == "loading" and current.found == found:
            return current
        manifest, _ = await asyncio.to_thread(read_manifest, found.path)
        size = weigh(found.path, manifest, self._registry.backbones_root)
        rate = self._seconds_per_byte
        estimate = FIRST_GUESS_S if rate is None else rate * size
        preparation = self._preparations[product] = Preparation(found, size, estimate, time.monotonic())
        task = asyncio.create_task(self._load(preparation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return preparation

    def progress(self, product: str) -> Preparation:
        """The last preparation of `product`."""
        if product not in self._preparations:
            raise NotPrepared(f"no preparation of {product!r} was asked for since the service started")
        return self._preparations[product]

    async def activate(self, product: str, version: int) -> Served:
        """Prove `version`, then make it the active one, in the store and here."""
        async with self._catalog.turn(product):
            found = await asyncio.to_thread(self._find, product, version)
            served = await self._prove(found)
            await asyncio.to_thread(self._registry.activate, product, version)
            self._catalog.serve(served)
        return served

    async def roll_back(self, product: str) -> Served:
        """Prove the version that was active before, then return to it."""
        async with self._catalog.turn(product):
            served = await self._prove(await asyncio.to_thread(self._registry.previous, product))
            await asyncio.to_thread(self._registry.roll_back, product)
            self._catalog.serve(served)
        return served

    async def release(self, product: str) -> None:
        """Let the memory of `product` go to others that need it."""
        await asyncio.to_thread(self._find, product, None)
        self._catalog.release(product)

    def _find(self, product: str, version: int | None) -> VersionRef:
        known = self._registry.versions(product)
        return self._registry.resolve(f"{product}@{version or max(known, default=1)}")

    async def _prove(self, found: VersionRef) -> Served:
        try:
            return await self._catalog.load(found)
        except (ModelTooLarge, NoRoom):
            raise
        except (ArtifactError, PoolError) as exc:
            raise VersionRefused(f"{found} was not activated: {exc}") from exc

    async def _load(self, preparation: Preparation) -> None:
        try:
            await self._catalog.load(preparation.found, "prepared")
        except (ArtifactError, PoolError) as error:
            preparation.state, preparation.reason = "failed", str(error)
        else:
            preparation.state = "ready"
            self._seconds_per_byte = preparation.elapsed_s / max(1, preparation.bytes)
        preparation.ended_at = time.monotonic()
