"""Which model makes room for which."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.residency import NeverFits, NoRoom, Pins, Residency, Why, weigh
from app.work import ModelRef
from detector.spec import BackboneSpec
from model_store.manifest import read_manifest
from model_store.registry import Registry
from tests.model_store.drafts import make_draft


def model(name: str, size: int) -> ModelRef:
    return ModelRef(name, 1, Path(name), name, size)


def memory(needed: dict[str, Why] | None = None, limit: int = 100) -> Residency:
    return Residency(limit, (needed or {}).get)


def load(residency: Residency, name: str, size: int) -> tuple[str, ...]:
    gone = residency.reserve(model(name, size))
    residency.finish(name)
    return gone


def names(residency: Residency) -> list[str]:
    return [held.product for held in residency.models]


def test_models_that_fit_together_stay_together() -> None:
    residency = memory()
    assert [load(residency, "a", 60), load(residency, "b", 40)] == [(), ()]
    assert residency.bytes == 100


def test_the_one_that_was_not_used_for_the_longest_time_goes() -> None:
    residency = memory()
    for name in "ab":
        load(residency, name, 50)
    assert residency.use("a")
    assert load(residency, "c", 50) == ("b",)
    assert names(residency) == ["a", "c"]


def test_as_many_go_as_it_takes_and_no_more() -> None:
    residency = memory()
    for name in "abcd":
        load(residency, name, 25)
    assert load(residency, "e", 40) == ("a", "b")


def test_what_serves_or_has_work_stays_and_others_go_in_its_place() -> None:
    residency = memory({"a": "pinned", "b": "leased"})
    for name in "abc":
        load(residency, name, 30)
    assert load(residency, "d", 30) == ("c",)


def test_a_load_for_which_those_would_have_to_go_is_refused_with_their_names_and_sends_nobody_away() -> None:
    residency = memory({"a": "pinned", "b": "leased"})
    for name in "abc":
        load(residency, name, 30)
    residency.reserve(model("d", 10))
    with pytest.raises(NoRoom, match=r"a@1 \(30 bytes, pinned\), b@1 \(30 bytes, leased\), d@1 \(10 bytes, loading\)$"):
        residency.reserve(model("e", 40))
    assert names(residency) == ["a", "b", "c"]


def test_what_is_being_loaded_has_its_bytes_and_cannot_score_yet() -> None:
    residency = memory()
    residency.reserve(model("a", 100))
    assert (residency.bytes, residency.knows("a"), "a" in residency, residency.use("a")) == (100, True, False, False)
    with pytest.raises(NoRoom):
        residency.reserve(model("b", 1))


def test_one_that_can_never_fit_sends_nobody_away() -> None:
    residency = memory()
    load(residency, "a", 100)
    with pytest.raises(NeverFits, match="needs 101 bytes; a worker keeps 100"):
        residency.reserve(model("b", 101))
    assert names(residency) == ["a"]


def test_what_did_not_load_gives_its_bytes_back() -> None:
    residency = memory()
    residency.reserve(model("a", 100))
    residency.release("a")
    assert load(residency, "b", 100) == ()


def test_a_reason_needs_one_model_at_a_time() -> None:
    pins = Pins()
    pins.hold("serving plate", "v1")
    pins.hold("serving plate", "v2")
    pins.drop("serving plate", "v1")
    assert ("v1" in pins, "v2" in pins) == (False, True)
    pins.drop("serving plate")
    assert "v2" not in pins


def test_a_version_weighs_its_weights_and_its_backbone_s(tmp_path: Path) -> None:
    version = Registry(tmp_path).publish(make_draft(), activate=True).path
    manifest, _ = read_manifest(version)
    own = (version / "weights.safetensors").stat().st_size
    assert weigh(version, manifest, tmp_path / "backbones") == own
    (tmp_path / "backbones" / ("a" * 64)).mkdir(parents=True)
    (tmp_path / "backbones" / ("a" * 64) / "weights.safetensors").write_bytes(bytes(1000))
    backbone = BackboneSpec(name="vit", digest="a" * 64, mean=(0, 0, 0), std=(1, 1, 1))
    using = manifest.model_copy(update={"detector": replace(manifest.detector, backbone=backbone)})
    assert weigh(version, using, tmp_path / "backbones") == own + 1000
