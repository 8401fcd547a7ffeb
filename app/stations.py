"""A sender's name of a station → a label of which there are few.

In: what the sender wrote, or nothing. Out: the name while there are at most MOST of them, then OTHER; empty for none.
A metric's label is kept for ever, so a client that numbers its stations anew each day must not fill the memory.
"""

MOST = 32
OTHER = "other"


class Stations:
    """The first names that came, by product."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[str, set[str]] = {}

    def label(self, product: str, station: str | None) -> str:
        """The station itself, OTHER, or nothing; `product` is one that serves."""
        if station is None:
            return ""
        known = self._known.setdefault(product, set())
        if station not in known and len(known) >= self._most:
            return OTHER
        known.add(station)
        return station
