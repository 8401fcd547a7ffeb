"""`python benchmarks/without_ledger.py`: the whole service of INSPECT_*, but verdicts are numbered and forgotten.

Nothing that a product should ever do, and so no setting: what benchmarks/ledger_on_off.py compares with.
"""

from dataclasses import replace
from itertools import count

from app import main
from app.cli import read_settings, start
from app.ledger.ledger import Ledger
from app.ledger.record import Committed, Record
from app.nursery import open_nursery

numbers = count(1)


class Forgetful(Ledger):
    """Takes every verdict, and has none."""

    async def append(self, record: Record) -> Committed:
        """Nothing is written."""
        return Committed(record=replace(record, seq=next(numbers)))


if __name__ == "__main__":  # a worker's process reads this file again
    open_nursery()
    main.Ledger = Forgetful
    start(read_settings())
