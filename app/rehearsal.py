"""A black picture goes the way of a part before the first part does.

In: a version that a worker has proved. Out: nothing; decoder, threads, worker, verdict and heatmap have been used once.
Refuses nothing: what goes wrong is logged, and the version serves, since its golden pictures scored as at export.
Nothing of it is recorded, counted or kept; the ledger and the places for pictures are tried out at the start.
"""

import asyncio
import io
import logging
from datetime import UTC, datetime

from PIL import Image

from app.catalog import Served
from app.heatmap import describe, draw
from app.part import Part
from app.pool_errors import PoolError
from app.scoring import Scoring
from app.submission import Submission
from app.verdict import answer_of, conclude
from detector.errors import DetectorError
from detector.spec import InputSpec

log = logging.getLogger(__name__)


class Rehearsal:
    """What comes up only with the first part of a version, comes up here."""

    def __init__(self, scoring: Scoring, software: str) -> None:
        self._scoring = scoring
        self._software = software

    async def __call__(self, served: Served) -> None:
        """Inspect a black picture with `served`, which need not serve yet."""
        part = Part(product=served.ref.product)
        submission = Submission(part=part, data=black(served.manifest.detector.input), received_at=datetime.now(UTC))
        try:
            seen = await self._scoring.score_with(served, submission.data)
            record = conclude(submission, seen, self._software)
            describe(part.heatmap, seen)
            answer_of(record, await asyncio.to_thread(draw, part.heatmap, seen))
        except (DetectorError, PoolError) as error:
            log.warning("%s was loaded and not rehearsed: %s", served.ref, error)


def black(spec: InputSpec) -> bytes:
    """A JPEG of the input's size."""
    file = io.BytesIO()
    Image.new("RGB", (spec.width, spec.height)).save(file, "JPEG")
    return file.getvalue()
