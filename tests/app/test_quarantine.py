"""What killed workers is put away: by digest, for one version, for a while, and not without end."""

import pytest

from app import quarantine
from app.backlog import GUILTY, KILLED, OWN_DEATH
from app.pool_errors import PictureQuarantined
from app.quarantine import EXPIRY_S, Quarantine


def test_the_same_bytes_are_refused_and_others_pass() -> None:
    kept = Quarantine()
    kept.accuse(b"poison", "v1", GUILTY)
    kept.check(b"bread", "v1")
    with pytest.raises(PictureQuarantined, match="60 minutes"):
        kept.check(b"poison", "v1")


def test_two_workers_that_ended_by_themselves_are_enough_also_in_two_requests() -> None:
    kept = Quarantine()
    kept.accuse(b"poison", "v1", OWN_DEATH)
    kept.check(b"poison", "v1")
    kept.accuse(b"poison", "v1", OWN_DEATH)
    with pytest.raises(PictureQuarantined):
        kept.check(b"poison", "v1")


def test_two_that_were_killed_from_outside_are_not() -> None:
    kept = Quarantine()
    for _ in range(2):
        kept.accuse(b"bread", "v1", KILLED)
    kept.check(b"bread", "v1")
    assert len(kept) == 0


def test_another_version_may_try_it() -> None:
    kept = Quarantine()
    kept.accuse(b"poison", "v1", GUILTY)
    kept.check(b"poison", "v2")


def test_it_is_tried_again_once_it_has_expired() -> None:
    now = [0.0]
    kept = Quarantine(lambda: now[0])
    kept.accuse(b"poison", "v1", GUILTY)
    now[0] = EXPIRY_S + 1
    kept.check(b"poison", "v1")
    assert len(kept) == 0


def test_it_keeps_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "KEPT", 2)
    kept = Quarantine()
    for data in (b"1", b"2", b"3"):
        kept.accuse(data, "v1", GUILTY)
    kept.check(b"1", "v1")
    assert len(kept) == 2
