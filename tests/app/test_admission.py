"""What is counted before it is decoded: pictures, bytes, shares, and when to come again."""

import pytest

from app.admission import Admission, AdmissionLimits
from app.pool_errors import ProductQueueFull, QueueFull


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Clock | None = None, *, pictures: int = 4, most: int = 1000, share: float = 1.0) -> Admission:
    return Admission(AdmissionLimits(pictures=pictures, bytes=most, share=share), clock or Clock())


def test_the_picture_after_the_last_that_may_come_is_refused_and_room_is_made_by_an_answer() -> None:
    door = admission(pictures=2)
    with door.admit("a", 1), door.admit("b", 1), pytest.raises(QueueFull, match="2 pictures of 2 bytes"):
        door.admit("c", 1).__enter__()
    with door.admit("c", 1):
        assert len(door.total) == 1


def test_bytes_are_counted_too_and_one_picture_may_always_come() -> None:
    door = admission(most=10)
    with door.admit("a", 11), pytest.raises(QueueFull, match="11 bytes"):
        door.admit("a", 1).__enter__()


def test_one_product_has_its_share_and_the_others_the_rest() -> None:
    door = admission(pictures=4, share=0.5)
    with door.admit("a", 1), door.admit("a", 1):
        with pytest.raises(ProductQueueFull, match="2 pictures of a"):
            door.admit("a", 1).__enter__()
        with door.admit("b", 1):
            assert len(door.total) == 3


def test_a_picture_that_failed_gives_its_place_back() -> None:
    door = admission()
    with pytest.raises(ValueError, match="broken"), door.admit("a", 7):
        raise ValueError("broken")
    assert (len(door.total), door.total.bytes) == (0, 0)


def test_who_is_refused_is_told_to_come_when_what_is_held_will_be_answered() -> None:
    clock = Clock()
    door = admission(clock, pictures=3)
    for _ in range(5):  # two pictures a second
        with door.admit("a", 1):
            clock.now += 0.5
    with door.admit("a", 1), door.admit("a", 1), door.admit("a", 1), pytest.raises(QueueFull) as refusal:
        door.admit("a", 1).__enter__()
    assert refusal.value.wait_s == pytest.approx(3 * 2.0 / 5)


def test_without_a_rate_the_hint_is_a_second() -> None:
    door = admission(pictures=1)
    with door.admit("a", 1), pytest.raises(QueueFull) as refusal:
        door.admit("a", 1).__enter__()
    assert refusal.value.wait_s == 1.0


def test_names_that_senders_make_up_are_forgotten() -> None:
    clock = Clock()
    door = admission(clock)
    for name in map(str, range(100)):
        with door.admit(name, 1):
            clock.now += 1
    assert len(door.products) < 20


def test_the_oldest_picture_has_an_age() -> None:
    clock = Clock()
    door = admission(clock)
    with door.admit("a", 1):
        clock.now += 3
        with door.admit("a", 1):
            assert door.total.oldest_s(clock()) == 3
