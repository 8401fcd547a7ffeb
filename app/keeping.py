"""The pictures and heatmaps of verdicts: which are kept, where they are found again, how they go.

In: a record that is not committed yet, its picture and heatmap. Out: the record, which says what became of them.
Refuses nothing then: a verdict waits for no full disk and no bucket that is away, KEEP_S at most and never past its
deadline. Refuses to give what is not there, as leaves of app/picture_errors.py.
Pictures of errors lie apart, within limits of their own: whoever sends rubbish pushes out no picture of a part.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from prometheus_client import Counter

from app.keep_policy import ErrorPolicy, KeepPolicy
from app.ledger.errors import LedgerError
from app.ledger.holds import Hold, Reference
from app.ledger.ledger import Ledger
from app.ledger.record import Record
from app.picture_errors import HeatmapLost, HeatmapNotKept, ImageLost, NoHeatmap, NoImage, PictureError
from app.pictures import Amount, PictureStore, name_of

log = logging.getLogger(__name__)

KEEP_S = 2.0  # that a verdict waits for its picture to be kept
KEEP_ERROR_S = 0.5  # that an error does, whose sender may be late already
MARGIN_S = 0.02  # before the deadline, for the commit
PAUSE_S = 3.0  # after a place did not answer at all, in which it is not asked
THREADS = 8  # their own: a bucket that hangs must not keep pictures from being decoded
SWEEP_S = 5.0
RESCAN_S = 3600.0  # after which a place is listed again: other services may share it
T = TypeVar("T")
Policy = TypeVar("Policy", KeepPolicy, ErrorPolicy)


class Shelf(Generic[Policy]):
    """One kind: its store, and of which parts it is kept."""

    def __init__(self, store: PictureStore, policy: Policy, lost: Counter, patience_s: float = KEEP_S) -> None:
        self.store = store
        self.policy: Policy = policy
        self.lost = lost
        self.patience_s = patience_s
        """How long a place may take to keep one."""
        self.trouble: str | None = None
        """Why the last one was lost; None where it was kept."""
        self.closed_until = -math.inf
        self.scanned_at = -math.inf


AnyShelf = Shelf[KeepPolicy] | Shelf[ErrorPolicy]


@dataclass(frozen=True)
class Outcome:
    """What became of one picture or heatmap; neither kept nor lost where the policy did not want it."""

    name: str | None = None
    is_lost: bool = False

    @property
    def state(self) -> Literal["kept", "lost"] | None:
        """In the words of a record."""
        return "kept" if self.name is not None else "lost" if self.is_lost else None


class Keeping:
    """The shelves. Belongs to the event loop."""

    def __init__(
        self, *, pictures: Shelf[KeepPolicy], heatmaps: Shelf[KeepPolicy], errors: Shelf[ErrorPolicy], ledger: Ledger
    ) -> None:
        self.pictures = pictures
        self.heatmaps = heatmaps
        self.errors = errors
        self._ledger = ledger
        self._turn = asyncio.Lock()  # of whoever removes, or holds: a hold that was confirmed is not swept away
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="keeping")

    async def keep(self, record: Record, data: bytes, drawn: bytes | None, *, due: float = math.inf) -> Record:
        """Keep what the policies want of it; the record then refers to both."""
        wanted = data if self.pictures.policy.wants(record.verdict, record.id) else None
        wanted_heatmap = drawn if self.wants_heatmap(record) else None
        picture, heatmap = await asyncio.gather(
            self._keep(self.pictures, record, wanted, due), self._keep(self.heatmaps, record, wanted_heatmap, due)
        )
        described = record.heatmap
        if described is not None:
            is_kept, lost = heatmap.name is not None, heatmap.is_lost
            where = {"url": f"/verdicts/{record.id}/heatmap" if is_kept else None, "kept": is_kept, "lost": lost}
            described = described | where | {"sha256": _hash_in(heatmap.name)}
        return replace(record, picture_kept=picture.state, heatmap=described)

    async def keep_error(self, record: Record, data: bytes, status: int) -> Record:
        """Keep the picture of a part that is answered `status` in place of a verdict, where the policy wants it."""
        if not self.errors.policy.wants(status, len(data)):
            return record
        picture = await self._keep(self.errors, record, data, math.inf)
        return replace(record, picture_kept=picture.state)

    def wants_heatmap(self, record: Record) -> bool:
        """Whether the heatmap of this part would be kept."""
        return self.heatmaps.policy.wants(record.verdict, record.id)

    async def image(self, record: Record) -> bytes:
        """The picture as it was sent."""
        if record.picture_kept is None or record.picture_sha256 is None:
            raise NoImage(f"no picture of verdict {record.id!r} was kept: the policy wanted none")
        if record.picture_kept == "lost":
            raise ImageLost(f"the picture of verdict {record.id!r} could not be kept when the part was inspected")
        store, name = (
            (self.errors if record.verdict == "error" else self.pictures).store,
            name_of(record.picture_sha256),
        )
        return await self._run(lambda: store.load(name))

    async def heatmap(self, record: Record) -> bytes:
        """The heatmap as it was drawn then."""
        kept = record.heatmap
        if kept is None:
            raise NoHeatmap(f"verdict {record.id!r} has no heatmap: none was asked for, or it is an error")
        if kept.get("lost"):
            raise HeatmapLost(f"the heatmap of verdict {record.id!r} could not be kept when the part was inspected")
        if not kept.get("kept", True):
            raise HeatmapNotKept(f"the heatmap of verdict {record.id!r} was drawn, and the policy kept none")
        if "sha256" not in kept and (old := await self._ledger.old_heatmap(record.id)) is not None:
            return old
        return await self._run(lambda: self.heatmaps.store.load(heatmap_name(record.id, kept)))

    async def hold(self, hold: Hold) -> None:
        """Commit a hold, or its end; from then on no sweep takes what it protects."""
        async with self._turn:
            await self._ledger.hold(hold)

    async def amounts(self) -> tuple[Amount, Amount, Amount]:
        """Of pictures, of heatmaps, and of pictures of errors."""
        pictures, heatmaps = _names(await self._ledger.held())
        return (
            self.pictures.store.amount(pictures),
            self.heatmaps.store.amount(heatmaps),
            self.errors.store.amount(pictures),
        )

    async def stay_within_limits(self) -> None:
        """Try every place, then sweep for ever, in small steps beside the requests; ends when it is cancelled."""
        for shelf in self._shelves:
            try:
                await self._run(shelf.store.try_out)
            except PictureError as error:
                log.warning("%s", error)
        while True:
            for shelf in self._shelves:
                try:
                    await self._scan(shelf)
                    while await self.sweep(shelf):
                        pass
                except (PictureError, LedgerError) as error:
                    log.warning("nothing is removed now: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self, shelf: AnyShelf) -> int:
        """One step; how many went. Where the ledger cannot say what is on hold, nothing does."""
        async with self._turn:
            held = _names(await self._ledger.held())[1 if shelf is self.heatmaps else 0]
            return await self._run(lambda: shelf.store.expire(time.time(), held))

    def close(self) -> None:
        """What runs goes on to its end; nobody waits for it."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def _shelves(self) -> tuple[AnyShelf, ...]:
        return (self.pictures, self.heatmaps, self.errors)

    async def _scan(self, shelf: AnyShelf) -> None:
        if time.monotonic() - shelf.scanned_at > RESCAN_S:
            await self._run(shelf.store.scan)
            shelf.scanned_at = time.monotonic()

    async def _keep(self, shelf: AnyShelf, record: Record, data: bytes | None, due: float) -> Outcome:
        if data is None:
            return Outcome()
        now = time.monotonic()
        try:
            if now < shelf.closed_until:
                raise shelf.store.kind.lost(f"{shelf.store.place} did not answer a moment ago")
            async with asyncio.timeout(min(shelf.patience_s, due - now - MARGIN_S)):
                name = await self._run(lambda: shelf.store.save(data))
        except (PictureError, TimeoutError) as error:
            if time.monotonic() - now >= shelf.patience_s:
                shelf.closed_until = time.monotonic() + PAUSE_S
            return self._lose(shelf, record, str(error) or f"{shelf.store.place} did not answer in time")
        shelf.trouble = None
        return Outcome(name)

    def _lose(self, shelf: AnyShelf, record: Record, reason: str) -> Outcome:
        log.error("verdict %s has lost its %s: %s", record.id, shelf.store.kind.noun, reason)
        shelf.trouble = reason
        shelf.lost.inc()
        return Outcome(is_lost=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def heatmap_name(verdict_id: str, described: dict[str, object]) -> str:
    """Where a heatmap lies; those of earlier versions are called after their verdict."""
    sha256 = described.get("sha256")
    if isinstance(sha256, str):
        return name_of(sha256)
    return f"{verdict_id[:2]}/{verdict_id}.{'raw' if described['style'] == 'raw' else 'png'}"


def _names(held: list[Reference]) -> tuple[set[str], set[str]]:
    """Of pictures and heatmaps on hold."""
    pictures = {name_of(each.picture_sha256) for each in held if each.picture_sha256 is not None}
    heatmaps = {heatmap_name(each.verdict_id, each.heatmap) for each in held if each.heatmap is not None}
    return pictures, heatmaps


def _hash_in(name: str | None) -> str | None:
    return None if name is None else name.rpartition("/")[2]
