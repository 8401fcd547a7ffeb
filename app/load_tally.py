"""How often one worker loaded each product, how long that took, how long it scored, how often it went to make room.

In: what was in memory before and after an exchange with the worker. Out: counts by product. Refuses nothing.
Counts only grow, also over the deaths of the worker's process; one thread writes, any may read.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from app.work import ModelRef


class LoadTally:
    """Counts by product, of one lane."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.evictions: Counter[str] = Counter()
        self.leased: defaultdict[str, float] = defaultdict(float)
        """Seconds in which a model of it scored, and could not have made room for another."""

    def note(self, before: Mapping[str, ModelRef], after: Mapping[str, ModelRef], seconds: float) -> None:
        """Digest → model, before and after an exchange that took `seconds`, the load's if there was one."""
        for digest in after.keys() - before.keys():
            self.loads[after[digest].product] += 1
            self.seconds[after[digest].product] += seconds
        for digest in before.keys() - after.keys():
            self.evictions[before[digest].product] += 1
