"""A time budget chooses the number of epochs."""

from itertools import pairwise

import pytest

from training.budget import Budget, Workload, parse_duration
from training.config import load_config
from training.errors import BudgetTooShort, ConfigInvalid

WORK = Workload(train=100, hold_out=20, calibrate=20, test=10, fader_epochs=5)


@pytest.mark.parametrize(("said", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("1.5m", 90), (45, 45)])
def test_a_duration_is_said_in_seconds_minutes_or_hours(said: object, seconds: float) -> None:
    assert parse_duration(said) == seconds


@pytest.mark.parametrize("said", ["soon", "10", "-5m", "0s", "1d", ""])
def test_what_is_no_duration_is_an_error_of_the_configuration(said: str) -> None:
    with pytest.raises(ConfigInvalid, match="time_budget"):
        load_config("cpu", {"product": "p", "data": "d", "time_budget": said}, [])


def test_epochs_of_equal_length_fill_the_budget_and_leave_room_for_what_comes_after() -> None:
    budget = Budget(seconds=600, gone=20, work=WORK)
    planned = budget.plan([10.0])
    after = WORK.after * 10
    assert 600 - 10 < 20 + planned * 10 + after + 5 <= 600
    assert all(budget.plan([10.0] * done) == planned for done in range(1, planned))


def test_a_machine_that_slows_down_gets_fewer_epochs_and_one_that_speeds_up_more() -> None:
    budget = Budget(seconds=600, gone=0, work=WORK)
    usual = budget.plan([10.0, 10.0])
    assert budget.plan([10.0, 20.0]) < usual < budget.plan([10.0, 5.0])


def test_a_slow_first_epoch_is_not_held_against_the_others() -> None:
    assert Budget(600, 0, WORK).plan([60.0, 5.0]) > 60


def test_an_overrun_ends_the_stage_with_what_there_is() -> None:
    assert Budget(100, 0, WORK).plan([10.0, 500.0]) == 2


def test_a_budget_that_one_epoch_does_not_fit_in_says_which_would_do() -> None:
    with pytest.raises(BudgetTooShort, match=r"one epoch takes 10 s.*--time-budget (\d+)s") as raised:
        Budget(20, 3, WORK).plan([10.0])
    enough = float(str(raised.value).rsplit(" ", maxsplit=1)[1].removesuffix("s"))
    assert Budget(enough, 3, WORK).plan([10.0]) in {9, 10}


def test_more_work_after_the_last_epoch_leaves_fewer_epochs() -> None:
    counts = [
        Budget(600, 0, Workload(train=100, hold_out=20, calibrate=20, test=test, fader_epochs=5)).plan([10.0])
        for test in (0, 200, 400)
    ]
    assert all(more > less for more, less in pairwise(counts))
