"""Each published method as a product: fitted, exported, loaded in a service's way, scoring as measured."""

import json
from pathlib import Path

import pytest
import timm
import torch

from detector.errors import SpecError
from detector.pipeline import stack
from model_store.artifact import LoadedModel, load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry
from training import run as stages
from training.config import load_config
from training.data import load_picture
from training.listener import Together
from training.sample import SampleConfig, draw_product

TINY = ["input.height=64", "input.width=64", "unet.widths=[4,8,8]", "fader.epochs=1", "promise=0.2"]
TINY += ["fit.epochs=4", "fit.learning_rate=0.01", "fit.schedule=fixed", "fit.batch_size=4"]
TINY += ["saliency.disjoint.cells=[8,16]", "saliency.disjoint.sets=2"]
TINY += ["align.turn=0"]  # tests/training/test_fit_turn.py looks for turns
DINO = "vit_small_patch8_224.dino"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    draw_product(folder / "data", SampleConfig(train=30, test_good=2, per_kind=1, size=64))
    return folder


@pytest.fixture(scope="module")
def weight_files(work: Path) -> list[str]:
    """Two imports under one name, as DINO's 300- and 800-epoch files are; random weights of the true shape."""
    digests = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        file = work / f"dino{seed}.pth"
        torch.save(timm.create_model(DINO, pretrained=False, num_classes=0).state_dict(), file)
        digests.append(BackboneStore(Registry(work / "store").backbones_root).import_file(file, name=DINO).digest)
    return digests


def train(work: Path, preset: str, *more: str) -> LoadedModel:
    options = {name: str(work / name) for name in ("data", "store", "runs")}
    run, _ = stages.begin_run(load_config(preset, {"product": preset, **options}, [*TINY, *more]), fresh=True)
    detector = stages.fit(run, Together([]))
    calibration = stages.calibrate(run, detector, promise=0.2, review_rate=0.1)
    ref = stages.publish(run, detector, calibration, stages.evaluate(run, detector, calibration), activate=True)
    return load_artifact(ref.path, BackboneStore(Registry(work / "store").backbones_root), torch.device("cpu"))


def served_equals_measured(work: Path, model: LoadedModel) -> bool:
    """The loaded version gives every test picture the score that training wrote down."""
    parts = json.loads((work / "runs" / model.manifest.product / "scores.json").read_text())["parts"]
    spec = model.detector.spec.input
    scores = [model.detector(stack([load_picture(Path(p["path"]), spec)], torch.device("cpu"))).score for p in parts]
    return torch.cat(scores).double().tolist() == [part["score"] for part in parts]


@pytest.mark.parametrize("preset", [pytest.param("riad", marks=pytest.mark.slow), "unet", "ear-no-attention"])
def test_a_method_without_weights_is_served_as_measured(work: Path, preset: str) -> None:
    model = train(work, preset)
    assert model.golden_delta == 0
    assert served_equals_measured(work, model)


@pytest.mark.parametrize("kind", ["spectral", "whole", "disjoint"])
def test_the_attenuator_plugs_into_any_saliency(work: Path, kind: str) -> None:
    model = train(work, "ear-fader", f"saliency.kind={kind}")
    assert model.detector.fader is not None
    assert served_equals_measured(work, model)


def test_filters_alone_are_served_as_measured_and_read_no_reconstruction(work: Path) -> None:
    model = train(work, "cpu", 'evidence.maps=["filters"]', "features=as-told", "statistics=as-told")
    assert model.detector.spec.evidence.residuals == ()
    assert served_equals_measured(work, model)


def test_dinos_attention_is_fitted_exported_loaded_and_served_as_measured(work: Path, weight_files: list[str]) -> None:
    model = train(work, "ear-fader", f"backbone={weight_files[0]}", "input.height=32", "input.width=32", "fit.epochs=1")
    assert model.manifest.detector.backbone is not None
    assert model.manifest.detector.backbone.digest == weight_files[0]
    assert served_equals_measured(work, model)


@torch.no_grad()
def test_two_weight_files_of_one_name_are_told_apart_by_digest(work: Path, weight_files: list[str]) -> None:
    store = BackboneStore(Registry(work / "store").backbones_root)
    assert len(set(weight_files)) == 2
    assert [store.find(digest[:12]).digest for digest in weight_files] == weight_files
    assert store.default() is None  # a choice is never made silently


def test_attention_is_not_guessed_between_two_weight_files(work: Path, weight_files: list[str]) -> None:
    assert len(weight_files) == 2
    with pytest.raises(SpecError, match="needs a backbone"):
        train(work, "ear")
