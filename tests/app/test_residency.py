"""Which model makes room for which."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.residency import NeverFits, Residency, weigh
from detector.spec import BackboneSpec
from model_store.manifest import read_manifest
from model_store.registry import Registry
from tests.model_store.drafts import make_draft


def test_models_that_fit_together_stay_together() -> None:
    residency = Residency(100)
    assert [residency.reserve("a", 60), residency.reserve("b", 40)] == [(), ()]
    assert residency.bytes == 100


def test_the_one_that_was_not_used_for_the_longest_time_goes() -> None:
    residency = Residency(100)
    for digest in ("a", "b", "a"):
        residency.reserve(digest, 50)
    assert residency.reserve("c", 50) == ("b",)
    assert residency.digests == ("a", "c")


def test_as_many_go_as_it_takes_and_no_more() -> None:
    residency = Residency(100)
    for digest in "abcd":
        residency.reserve(digest, 25)
    assert residency.reserve("e", 40) == ("a", "b")


def test_one_that_can_never_fit_sends_nobody_away() -> None:
    residency = Residency(100)
    residency.reserve("a", 100)
    with pytest.raises(NeverFits, match="needs 101 bytes; a worker keeps 100"):
        residency.reserve("b", 101)
    assert residency.digests == ("a",)


def test_what_did_not_load_gives_its_bytes_back() -> None:
    residency = Residency(100)
    residency.reserve("a", 100)
    residency.release("a")
    assert residency.reserve("b", 100) == ()


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
