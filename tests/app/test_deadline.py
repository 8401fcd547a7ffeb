"""Whose deadline counts, and what none is."""

import math
from datetime import UTC, datetime

import pytest

from app.arrival import Arrival
from app.deadline import Deadlines, read_deadline_ms
from app.errors import InvalidRequest

ARRIVAL = Arrival("id", datetime.now(UTC), 50.0)


@pytest.mark.parametrize(("given", "expected"), [(None, None), ("1", 1), ("600000", 600_000)])
def test_a_header_is_milliseconds(given: str | None, expected: int | None) -> None:
    assert read_deadline_ms(given) == expected


@pytest.mark.parametrize("given", ["", "0", "-1", "1.5", "600001", "9999999", "soon", "1e3", "٣"])
def test_another_header_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest, match="X-Deadline-Ms"):
        read_deadline_ms(given)


def test_the_sender_s_counts_before_the_product_s_before_the_default() -> None:
    deadlines = Deadlines(1000, {"a": 200})
    due = [deadlines.due(ARRIVAL, "a", 100), deadlines.due(ARRIVAL, "a", None), deadlines.due(ARRIVAL, "b", None)]
    assert due == [50.1, 50.2, 51.0]


def test_without_any_there_is_all_the_time_in_the_world() -> None:
    assert Deadlines().due(ARRIVAL, "a", None) == math.inf
