"""How often a key may ask, with a clock that is moved by hand."""

import pytest

from app.rates import Rate, Rates
from tests.app.test_admission import Clock

FIVE_A_SECOND = Rate(5, 1.0)


def test_a_full_bucket_is_given_at_once_and_then_as_fast_as_it_fills() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert [rates.take("a", FIVE_A_SECOND) for _ in range(5)] == [0.0] * 5
    assert rates.take("a", FIVE_A_SECOND) == pytest.approx(0.2)
    clock.now += 0.21
    assert rates.take("a", FIVE_A_SECOND) == 0.0
    assert rates.take("a", FIVE_A_SECOND) > 0.1


def test_over_a_long_time_no_more_pass_than_the_rate() -> None:
    clock = Clock()
    rates, passed = Rates(clock), 0
    for _ in range(1000):
        clock.now += 0.01
        passed += rates.take("a", FIVE_A_SECOND) == 0.0
    assert 50 <= passed <= 55


def test_a_rest_saves_up_no_more_than_one_bucket() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.take("a", FIVE_A_SECOND)
    clock.now += 3600
    assert [rates.take("a", FIVE_A_SECOND) == 0.0 for _ in range(7)] == [True] * 5 + [False] * 2


def test_one_name_takes_nothing_from_another() -> None:
    rates = Rates(Clock())
    assert rates.take("a", Rate(1, 60.0)) == 0.0
    assert rates.take("a", Rate(1, 60.0)) == 60.0
    assert rates.take("b", Rate(1, 60.0)) == 0.0
