"""How long to wait before the next try: doubling, with jitter, so that many senders do not come back at once.

In: how many tries have failed. Out: seconds. Refuses nothing.
"""

from collections.abc import Callable

FIRST_S = 0.5
DOUBLINGS = 20  # more than any longest pause needs; the power stays small


def pause_s(failures: int, longest_s: float, draw: Callable[[], float]) -> float:
    """Between half of the step and all of it; `draw` gives numbers in [0, 1)."""
    step = min(longest_s, FIRST_S * (1 << min(failures - 1, DOUBLINGS)))
    return step * (0.5 + draw() / 2)
