"""What a few batches say about the next one."""

from app.pace import Pace


def test_one_slow_batch_does_not_make_a_slow_device() -> None:
    pace = Pace()
    pace.note("plate", 1, 0.02, now=0.0)
    pace.note("plate", 1, 25.0, now=30.0)
    assert pace.costs(30.0)["plate"].least == 0.02


def test_two_slow_batches_do() -> None:
    pace = Pace()
    pace.note("plate", 1, 0.02, now=0.0)
    pace.note("plate", 1, 4.0, now=30.0)
    pace.note("plate", 1, 5.0, now=35.0)
    assert pace.costs(35.0)["plate"].least == 4.0


def test_the_pace_is_a_line_through_the_batches_of_late() -> None:
    pace = Pace()
    for pictures, seconds in ((1, 0.3), (8, 1.0)):
        pace.note("a", pictures, seconds, now=1.0)
    cost = pace.costs(now=2.0)["a"]
    assert (cost.least, round(cost.fixed, 6), round(cost.each, 6)) == (0.125, 0.2, 0.1)
    assert pace.costs(now=12.0) == {}


def test_batches_of_one_size_are_a_line_through_zero() -> None:
    pace = Pace()
    pace.note("a", 4, 0.8, now=1.0)
    assert pace.costs(now=1.0)["a"].of(2) == 0.4
