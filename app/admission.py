"""How many pictures the service holds: counted before they are decoded, until they are answered.

In: the product and the bytes of a picture that has come. Out: leave to go on, given back when it is answered, whatever
the answer. Refuses: a picture when all products together, or its own, hold as many pictures or bytes as they may
(`QueueFull`, `ProductQueueFull`); both say when to come again, from the rate at which pictures were answered lately.
Bodies are counted too, chunk by chunk, before they are pictures of a product. Belongs to the event loop: no lock.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.pool_errors import ProductQueueFull, QueueFull

RECENT_S = 10.0  # the rate is that of these last seconds
KEPT = 256  # answers that the rate is made of, at most
UNKNOWN_WAIT_S = 1.0  # where nothing was answered lately


@dataclass(frozen=True, kw_only=True)
class AdmissionLimits:
    """How much may be held. One picture of each product always may, as far as bytes are concerned."""

    pictures: int
    bytes: int
    share: float
    """Of both, for one product; over 0, up to 1."""


@dataclass
class Held:
    """What is held now, of one product or of all."""

    arrivals: dict[object, float] = field(default_factory=dict)
    """Per picture, the oldest first: when it came."""
    bytes: int = 0
    answered: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def __len__(self) -> int:
        return len(self.arrivals)

    def oldest_s(self, now: float) -> float:
        """Age of the oldest picture; 0 where there is none."""
        return now - next(iter(self.arrivals.values()), now)

    def wait_s(self, now: float) -> float:
        """Until as many pictures as are held now will have been answered, at the rate of late."""
        recent = [at for at in self.answered if now - at <= RECENT_S]
        return UNKNOWN_WAIT_S if not recent else len(self) * (now - recent[0]) / len(recent)

    def has_room(self, size: int, *, pictures: int, most_bytes: int) -> bool:
        """Whether one more picture of `size` bytes may come."""
        return not self.arrivals or (len(self) < pictures and self.bytes + size <= most_bytes)


@dataclass
class Upload:
    """One body while it comes."""

    size: int = 0


class Admission:
    """The counts."""

    def __init__(self, limits: AdmissionLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self.total = Held()
        self.products: dict[str, Held] = {}
        """Those that hold something, or were answered lately."""
        self.uploads = 0
        """Bytes that have come of bodies whose requests are not answered yet; those of held pictures among them."""

    @contextmanager
    def admit(self, product: str, size: int) -> Iterator[None]:
        """Hold a picture of `size` bytes while the block runs."""
        self._forget()
        mine = self.products.setdefault(product, Held())
        self._check(product, mine, size)
        key, now = object(), self._clock()
        both = (self.total, mine)
        for held in both:
            held.arrivals[key] = now
            held.bytes += size
        try:
            yield
        finally:
            for held in both:
                del held.arrivals[key]
                held.bytes -= size
                held.answered.append(self._clock())

    @contextmanager
    def receive(self) -> Iterator["Upload"]:
        """Count a body from its first byte to its answer."""
        upload = Upload()
        try:
            yield upload
        finally:
            self.uploads -= upload.size

    def expect(self, upload: "Upload", size: int) -> None:
        """Refuse a body of which `size` more bytes would not find room; of one alone they always do."""
        others = self.uploads - upload.size
        if others and self.uploads + size > self._limits.bytes:
            raise QueueFull(
                f"uploads of {self.uploads} bytes are held already", wait_s=self.total.wait_s(self._clock())
            )

    def take(self, upload: "Upload", size: int) -> None:
        """Hold `size` more bytes of a body."""
        self.expect(upload, size)
        upload.size += size
        self.uploads += size

    def _check(self, product: str, mine: Held, size: int) -> None:
        limits, now = self._limits, self._clock()
        if not self.total.has_room(size, pictures=limits.pictures, most_bytes=limits.bytes):
            raise QueueFull(
                f"{len(self.total)} pictures of {self.total.bytes} bytes are held already",
                wait_s=self.total.wait_s(now),
            )
        pictures, most_bytes = max(1, int(limits.pictures * limits.share)), int(limits.bytes * limits.share)
        if not mine.has_room(size, pictures=pictures, most_bytes=most_bytes):
            raise ProductQueueFull(
                f"{len(mine)} pictures of {product}, of {mine.bytes} bytes, are held already", wait_s=mine.wait_s(now)
            )

    def _forget(self) -> None:
        """Names that senders made up take no room."""
        now = self._clock()
        for product, held in list(self.products.items()):
            if not held and now - (held.answered[-1] if held.answered else 0.0) > RECENT_S:
                del self.products[product]
