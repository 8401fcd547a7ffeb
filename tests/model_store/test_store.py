"""A version goes in and comes out the same, in another process too; writers lose nothing."""

import gc
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from detector.image_health import ImageHealth, summarise
from detector.spec import AlignSpec
from model_store.__main__ import main
from model_store.active import Activation, read_activation
from model_store.artifact import load_artifact, save_artifact
from model_store.backbones import BackboneStore, Place
from model_store.errors import BackboneInvalid, NothingToRollBack, UnknownProduct, UnknownVersion, VersionExists
from model_store.manifest import parse_manifest, read_manifest
from model_store.registry import Registry
from model_store.strict_json import to_bytes
from tests.model_store.drafts import make_draft

ROOT = Path(__file__).parents[2]
LOAD = """
import sys, torch
from pathlib import Path
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore, Place
model = load_artifact(Path(sys.argv[1]), BackboneStore(Path('none')), torch.device('cpu'))
print(model.digest, model.golden_delta)
"""
PUBLISH = """
import os, sys
from pathlib import Path
from model_store.registry import Registry
from tests.model_store.drafts import make_draft

def publish_all():
    for draft in drafts:
        Registry(Path(sys.argv[1])).publish(draft, activate=True)

drafts = [make_draft(seed=seed) for seed in range(5)]
if writer := os.fork():  # from here on two processes; torch is imported for both
    publish_all()
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]))
publish_all()
"""


def test_json_has_the_bytes_that_the_format_states() -> None:
    assert to_bytes({"b": [1, 0.5], "a": "µ"}) == b'{\n  "a": "\\u00b5",\n  "b": [\n    1,\n    0.5\n  ]\n}\n'


def test_an_empty_activation_has_the_bytes_that_the_format_states() -> None:
    expected = b'{\n  "active": null,\n  "format_version": 1,\n  "history": [],\n  "previous": []\n}\n'
    assert to_bytes(Activation().model_dump(mode="json")) == expected


def test_image_health_of_the_calibration_pictures_goes_into_a_manifest_and_comes_back(tmp_path: Path) -> None:
    health = summarise([ImageHealth(0.5, 0.2, 0.1, 0.0), ImageHealth(0.6, 0.2, 0.3, 0.02)])
    ref = Registry(tmp_path).publish(replace(make_draft(), image_health=health), activate=True)
    assert read_manifest(ref.path)[0].image_health == health


def test_a_manifest_from_before_image_health_keeps_its_bytes(tmp_path: Path) -> None:
    ref = Registry(tmp_path).publish(make_draft(), activate=True)
    written = (ref.path / "manifest.json").read_bytes()
    assert b"image_health" not in written
    assert read_manifest(ref.path)[0].to_bytes() == written


def test_a_version_from_before_turns_shifts_its_parts_by_whole_pixels_still(tmp_path: Path) -> None:
    ref = Registry(tmp_path).publish(make_draft(), activate=True)
    fields = json.loads((ref.path / "manifest.json").read_bytes())
    fields["detector"]["align"] = {"reach": 4}
    assert parse_manifest(to_bytes(fields)).detector.align == AlignSpec(reach=4, turn=0.0)


def test_another_process_loads_a_version_and_gets_the_same_scores(tmp_path: Path) -> None:
    ref = Registry(tmp_path).publish(make_draft(), activate=True)
    here = load_artifact(ref.path, BackboneStore(tmp_path / "backbones"), torch.device("cpu"))
    command = [sys.executable, "-c", LOAD, ref.path]
    there = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert there[0] == here.digest
    assert float(there[1]) < 1e-6


def test_another_decoder_than_at_export_is_told_and_the_same_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version, backbones = Registry(tmp_path).publish(make_draft(), activate=True).path, BackboneStore(tmp_path)
    load_artifact(version, backbones, torch.device("cpu"))
    assert not caplog.messages
    manifest = json.loads((version / "manifest.json").read_bytes())
    here = manifest["libraries"]["libjpeg-turbo"]
    manifest["libraries"]["libjpeg-turbo"] = "2.1.0"
    (version / "manifest.json").write_text(json.dumps(manifest))
    load_artifact(version, backbones, torch.device("cpu"))
    assert f"libjpeg-turbo 2.1.0 at export, {here} here" in caplog.text


def test_a_version_is_written_once(tmp_path: Path) -> None:
    ref = Registry(tmp_path).publish(make_draft(), activate=True)
    before = (ref.path / "manifest.json").read_bytes()
    with pytest.raises(VersionExists):
        save_artifact(ref.path, make_draft(seed=1), 1)
    assert (ref.path / "manifest.json").read_bytes() == before


def test_two_processes_that_publish_at_once_lose_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PUBLISH, tmp_path], cwd=ROOT, check=True)
    assert Registry(tmp_path).versions("plate") == tuple(range(1, 11))
    assert len(read_activation(tmp_path / "products/plate").history) == 10


def test_activation_and_roll_back_move_between_versions(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for seed in range(3):
        registry.publish(make_draft(seed=seed), activate=True)
    assert registry.resolve("plate").version == 3
    assert registry.activate("plate", 1).version == 1
    assert registry.previous("plate").version == 3
    assert registry.resolve("plate").version == 1
    assert registry.roll_back("plate").version == 3
    assert registry.roll_back("plate").version == 2
    assert registry.roll_back("plate").version == 1
    with pytest.raises(NothingToRollBack):
        registry.roll_back("plate")
    assert registry.resolve("plate@2").version == 2


def test_names_that_are_not_there_are_told_apart(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    with pytest.raises(UnknownProduct):
        registry.resolve("plate")
    registry.publish(make_draft(), activate=True)
    with pytest.raises(UnknownVersion, match="it has 1"):
        registry.resolve("plate@9")


def test_the_command_line_lists_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Registry(tmp_path).publish(make_draft(), activate=True)
    for verb in ("list", "verify"):
        with pytest.raises(SystemExit) as ended:
            main([verb, "--store", str(tmp_path)])
        assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "* plate@1" in printed
    assert "1 golden pictures agree" in printed


def test_the_shared_mobilenet_is_imported_once_by_its_digest(tmp_path: Path) -> None:
    weights = ROOT.parent / "shared/weights/mobilenetv2_100_same.safetensors"
    if not weights.exists():
        pytest.skip(f"{weights} is not here")
    store = BackboneStore(tmp_path)
    first = store.import_file(weights, name="mobilenetv2_100", pad_type="same")
    assert store.import_file(weights, name="mobilenetv2_100", pad_type="same") == first
    assert store.default() == first
    assert len(store.load(first.digest)) > 100


def test_one_backbone_is_in_memory_for_all_that_hold_it_and_no_longer(tmp_path: Path) -> None:
    store, file = BackboneStore(tmp_path), tmp_path / "weights.safetensors"
    save_file(timm.create_model("mobilenetv2_050", num_classes=0).state_dict(), file)
    spec = store.import_file(file, name="mobilenetv2_050")
    held = store.network(spec, Place(32, 32, "cpu", "folded"))
    assert BackboneStore(tmp_path).network(spec, Place(32, 32, "cpu", "folded")) is held
    assert store.network(spec, Place(64, 32, "cpu", "folded")) is not held
    assert store.network(spec, Place(32, 32, "cpu", "reference")) is not held
    gone = weakref.ref(held)
    del held
    gc.collect()
    assert gone() is None


def test_a_dino_checkpoint_is_imported_without_running_its_pickle(tmp_path: Path) -> None:
    network = timm.create_model("vit_small_patch8_224.dino", pretrained=False, num_classes=0)
    torch.save({"teacher": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "d.pth")
    spec = BackboneStore(tmp_path / "store").import_file(tmp_path / "d.pth", name="vit_small_patch8_224.dino")
    loaded = BackboneStore(tmp_path / "store").load(spec.digest)
    assert torch.equal(loaded["cls_token"], network.state_dict()["cls_token"])


class RunsCode:
    """What a hostile pickle looks like."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path("/tmp/never-written-by-a-backbone").write_text, ("owned",))  # noqa: S108


def test_a_checkpoint_with_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": RunsCode()}, tmp_path / "evil.pth")
    with pytest.raises(BackboneInvalid):
        BackboneStore(tmp_path / "store").import_file(tmp_path / "evil.pth", name="mobilenetv2_050")
    assert not Path("/tmp/never-written-by-a-backbone").exists()  # noqa: S108
    assert json.dumps(BackboneStore(tmp_path / "store").list()) == "[]"
