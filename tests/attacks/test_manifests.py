"""Artifacts that lie: each gets its own error, and the version beside it still loads."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.errors import (
    ArtifactError,
    GoldenMismatch,
    HashMismatch,
    ManifestInvalid,
    ManifestUnreadable,
    MissingFile,
    TooLarge,
    UnexpectedFile,
    UnknownFormatVersion,
    UnsafePath,
    WeightsInvalid,
    WrongPlace,
)
from model_store.registry import Registry
from tests.model_store.drafts import golden_file, make_draft

OUTPUT = "unet.picture.0.bias"  # every reconstruction is brighter
MEASURES = {"mean": 0.5, "contrast": 0.2, "sharpness": 0.1, "saturated_share": 0.0}
HEALTH: dict[str, Any] = {"pictures": 9, "centre": MEASURES, "spread": MEASURES}
Attack = Callable[[Path], object]


def edit(**changes: Any) -> Attack:
    """A manifest that says something else."""
    return lambda version: rewrite(version, lambda fields: fields | changes)


def aligned(**align: float) -> Attack:
    """A manifest whose parts are moved."""
    return lambda version: rewrite(version, lambda fields: fields | {"detector": fields["detector"] | {"align": align}})


def rewrite(version: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    manifest = version / "manifest.json"
    manifest.write_text(json.dumps(change(json.loads(manifest.read_text()))))


def text(find: str, replacement: str) -> Attack:
    """The manifest's own bytes, so that what JSON writers would not write can stand there."""

    def attack(version: Path) -> None:
        manifest = version / "manifest.json"
        before = manifest.read_text()
        assert find in before
        manifest.write_text(before.replace(find, replacement, 1))

    return attack


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Attack:
    """Other tensors, honestly hashed."""
    return lambda version: replace_weights(version, save(change(load((version / "weights.safetensors").read_bytes()))))


def replace_weights(version: Path, data: bytes) -> None:
    (version / "weights.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    rewrite(version, lambda fields: fields | {"files": fields["files"] | {"weights.safetensors": digest}})


def rename_golden(name: str) -> Attack:
    def change(fields: dict[str, Any]) -> dict[str, Any]:
        files = {name if key.startswith("golden") else key: digest for key, digest in fields["files"].items()}
        return fields | {"files": files, "golden": [fields["golden"][0] | {"file": name}]}

    return lambda version: rewrite(version, change)


def link(name: str) -> Attack:
    def attack(version: Path) -> None:
        (version / name).rename(version.parent / "elsewhere")
        (version / name).symlink_to(version.parent / "elsewhere")

    return attack


def first(tensors: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(tensors) if tensors[name].ndim == 4)


ATTACKS: dict[str, tuple[Attack, type[ArtifactError]]] = {
    "changed weights": (lambda v: (v / "weights.safetensors").write_bytes(b"x" * 99), HashMismatch),
    "changed golden": (lambda v: golden_file(v).write_bytes(b"x"), HashMismatch),
    "another shape": (weights(lambda t: t | {first(t): t[first(t)][:1].contiguous()}), WeightsInvalid),
    "another dtype": (weights(lambda t: t | {first(t): t[first(t)].half()}), WeightsInvalid),
    "NaN": (weights(lambda t: t | {first(t): t[first(t)] * torch.nan}), WeightsInvalid),
    "a tensor less": (weights(lambda t: {name: t[name] for name in t if name != first(t)}), WeightsInvalid),
    "a tensor more": (weights(lambda t: t | {"extra": torch.zeros(1)}), WeightsInvalid),
    "a pickle": (lambda v: replace_weights(v, pickle.dumps({"a": 1})), WeightsInvalid),
    "other weights": (weights(lambda t: t | {OUTPUT: t[OUTPUT] + 1}), GoldenMismatch),
    "format 2": (edit(format_version=2), UnknownFormatVersion),
    "no format": (edit(format_version=None), UnknownFormatVersion),
    "another version": (edit(version=7), WrongPlace),
    "another product": (edit(product="other"), WrongPlace),
    "an unknown key": (edit(hook="os.system"), ManifestInvalid),
    "local time": (edit(created_at="2026-11-24T08:00:00+01:00"), ManifestInvalid),
    "coarse tolerance": (edit(golden_tolerance=1e6), ManifestInvalid),
    "no golden": (edit(golden=[]), ManifestInvalid),
    "more than any turn": (aligned(reach=4, turn=181.0), ManifestInvalid),
    "pixels of no width": (aligned(reach=4, turn=5.0, stretch=0.0), ManifestInvalid),
    "turned without edges": (aligned(reach=4, turn=5.0), WeightsInvalid),
    "health of no picture": (edit(image_health=HEALTH | {"pictures": 0}), ManifestInvalid),
    "a negative spread": (edit(image_health=HEALTH | {"spread": HEALTH["spread"] | {"mean": -1.0}}), ManifestInvalid),
    "half a health": (edit(image_health={"pictures": 1}), ManifestInvalid),
    "up and out": (rename_golden("../../../../etc/passwd"), UnsafePath),
    "absolute": (rename_golden("/etc/passwd"), UnsafePath),
    "backslash": (rename_golden("golden\\0001.png"), UnsafePath),
    "hidden up": (rename_golden("golden/../0001.png"), UnsafePath),
    "a key twice": (text('"version":', '"version": 3, "version":'), ManifestUnreadable),
    "not a number": (text('"minutes": 0.5', '"minutes": NaN'), ManifestUnreadable),
    "infinity": (text('"minutes": 0.5', '"minutes": 1e999'), ManifestUnreadable),
    "no JSON": (lambda v: (v / "manifest.json").write_bytes(b"\xff\xfe"), ManifestUnreadable),
    "deep": (lambda v: (v / "manifest.json").write_text("[" * 100_000), ManifestUnreadable),
    "a list": (lambda v: (v / "manifest.json").write_text("[]"), ManifestUnreadable),
    "huge": (lambda v: (v / "manifest.json").write_bytes(b" " * (5 << 20)), TooLarge),
    "an extra file": (lambda v: (v / "run.py").write_text("x"), UnexpectedFile),
    "an extra folder": (lambda v: (v / "code").mkdir(), UnexpectedFile),
    "no weights": (lambda v: (v / "weights.safetensors").unlink(), MissingFile),
    "no manifest": (lambda v: (v / "manifest.json").unlink(), MissingFile),
    "linked weights": (link("weights.safetensors"), UnsafePath),
    "linked manifest": (link("manifest.json"), UnsafePath),
    "linked folder": (link("golden"), UnsafePath),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_artifact_that_lies_is_refused_and_its_neighbour_loads(name: str, tmp_path: Path) -> None:
    attack, error = ATTACKS[name]
    registry, backbones = Registry(tmp_path), BackboneStore(tmp_path / "backbones")
    good = registry.publish(make_draft(), activate=True)
    bad = registry.publish(make_draft(seed=1), activate=False)
    attack(bad.path)
    with pytest.raises(ArtifactError) as raised:
        load_artifact(bad.path, backbones, torch.device("cpu"))
    assert type(raised.value) is error
    assert load_artifact(good.path, backbones, torch.device("cpu")).manifest.version == 1
