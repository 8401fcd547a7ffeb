"""The first half of an inspection: bytes → decode → pool → score.

In: the bytes of one picture, its product, and when its score is of no use any more. Out: `Seen`. Refuses: what
detector.errors, model_store.errors and app.pool_errors draw. Nothing is kept on `self` between calls.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from app.catalog import Catalog, Served
from app.image_health import ImageHealth, measure
from app.pool import Pool
from app.pool_errors import DeadlineMissed
from app.quarantine import Quarantine
from app.stages import Stages
from app.thresholds import Thresholds
from app.work import ModelRef, Scored
from detector.calibration import Calibration
from detector.decode import DecodeLimits, Picture, decode
from detector.preprocess import resize_to_input


@dataclass(frozen=True)
class Seen:
    """What was made of one picture, and the version that did it."""

    served: Served
    picture: Picture
    health: ImageHealth
    scored: Scored
    queued_at: datetime
    """UTC; when it was ready for a worker."""
    calibration: Calibration
    """With the thresholds that were in force when it had its score."""


class Scoring:
    """The parts that a picture passes until it has a score."""

    def __init__(
        self, *, catalog: Catalog, pool: Pool, quarantine: Quarantine, limits: DecodeLimits, thresholds: Thresholds
    ) -> None:
        self._catalog = catalog
        self._thresholds = thresholds
        self._pool = pool
        self._quarantine = quarantine
        self._limits = limits

    def serves(self, product: str) -> bool:
        """Whether `product` is one that serves, and not a word that a sender made up."""
        return self._catalog.served(product) is not None

    async def score(self, data: bytes, product: str, due: float, stages: Stages) -> Seen:
        """Score one picture before `due`, a moment of time.monotonic()."""
        try:
            async with asyncio.timeout(None if due == math.inf else due - time.monotonic()):
                return await self._score(await self._catalog.resolve(product), data, due, stages)
        except TimeoutError as exc:
            raise DeadlineMissed("the deadline passed before the picture was scored") from exc

    async def score_with(self, served: Served, data: bytes) -> Seen:
        """Score one picture with a version that need not be the one that serves."""
        return await self._score(served, data, math.inf, Stages())

    async def _score(self, served: Served, data: bytes, due: float, stages: Stages) -> Seen:
        self._quarantine.check(data, served.ref.digest)
        picture, health, pixels = await asyncio.to_thread(self._decode, data, served)
        stages.lap("decode")
        queued_at = datetime.now(UTC)
        scored = await self._submit(data, served.ref, pixels, due)
        stages.lap("pool")
        return Seen(served, picture, health, scored, queued_at, self._thresholds.of(served))

    async def _submit(self, data: bytes, ref: ModelRef, pixels: npt.NDArray[np.uint8], due: float) -> Scored:
        def accuse(count: int) -> None:
            self._quarantine.accuse(data, ref.digest, count)

        return await self._pool.submit(ref, pixels, deadline=due, on_accusation=accuse)

    def _decode(self, data: bytes, served: Served) -> tuple[Picture, ImageHealth, npt.NDArray[np.uint8]]:
        spec = served.manifest.detector.input
        picture = decode(data, spec, self._limits)
        return picture, measure(picture.image), resize_to_input(picture.image, spec)
