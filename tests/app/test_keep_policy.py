"""Of which parts something is kept."""

import uuid

import pytest

from app.keep_policy import parse_policy
from app.settings import Settings


@pytest.mark.parametrize("setting", ["all", "ng+review", "sample:0.25", "none"])
def test_a_policy_reads_as_it_was_written(setting: str) -> None:
    assert str(parse_policy(setting)) == setting


def test_a_sample_takes_its_share_of_ok_parts_and_every_other_one() -> None:
    policy, ids = (
        parse_policy("sample:0.25"),
        [str(uuid.UUID(int=number << 96)) for number in range(0, 1 << 32, 1 << 22)],
    )
    assert sum(policy.wants("ok", each) for each in ids) == len(ids) / 4
    assert all(policy.wants(verdict, each) for each in ids for verdict in ("ng", "review"))


def test_none_keeps_no_ng_either_and_ng_and_review_no_ok() -> None:
    assert not parse_policy("none").wants("ng", "00000000")
    assert not parse_policy("ng+review").wants("ok", "00000000")
    assert parse_policy("all").wants("ok", "ffffffff")


@pytest.mark.parametrize("setting", ["some", "sample", "sample:2", "sample:-1", "sample:nan", "all\n", "ALL"])
def test_what_is_no_policy_stops_the_start(setting: str) -> None:
    with pytest.raises(ValueError, match="keep_pictures"):
        Settings(keep_pictures=setting)
    with pytest.raises(ValueError, match="none of"):
        parse_policy(setting)
