"""A run from pictures to a version: what its stages agree on, and what they refuse."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from detector.decode import decode
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.manifest import read_manifest
from model_store.registry import Registry
from tests.model_store.drafts import png
from training.cli import main
from training.errors import RunOfOtherConfig
from training.fit import EpochRecord
from training.fit_align import WORTH_IT
from training.run import _plan, open_run
from training.run_folder import RunFolder
from training.sample import SampleConfig, draw_product

TINY = ["input.height=32", "input.width=32", "unet.widths=[4,8]", "fit.epochs=2", "fader.epochs=1", "promise=0.2"]
TINY += ["align.turn=0"]  # looking for turns takes longer than all the rest: one test here does


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, store and runs of one fit."""
    folder = tmp_path_factory.mktemp("run")
    draw_product(folder / "data", SampleConfig(train=40, test_good=2, per_kind=1, size=64))
    options = [f"--{name}={folder / name}" for name in ("data", "store", "runs")]
    assert call("fit", "--product=plate", *options, *(f"--set={line}" for line in TINY)) == 0
    return folder


@pytest.fixture
def work(fitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; the run knows its data by path."""
    shutil.copytree(fitted, tmp_path / "work")
    config = tmp_path / "work/runs/plate/config.json"
    paths = {name: str(tmp_path / "work" / name) for name in ("data", "store", "runs")}
    config.write_text(json.dumps(json.loads(config.read_text()) | paths))
    return tmp_path / "work"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_run_opens_again_while_its_pictures_are_the_same(work: Path) -> None:
    assert len(open_run(RunFolder(work / "runs/plate")).dataset.calibrate) == 8


@pytest.mark.parametrize("place", ["train/good", "test/good"])
def test_pictures_added_after_the_fit_are_refused(work: Path, place: str) -> None:
    (work / "data" / place / "late.png").write_bytes(png(np.random.default_rng(0)))
    with pytest.raises(RunOfOtherConfig, match="--fresh"):
        open_run(RunFolder(work / "runs/plate"))


@pytest.mark.parametrize("command", ["calibrate", "evaluate", "export", "report"])
def test_no_stage_runs_on_changed_pictures(work: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "data/train/good/000.png").unlink()
    assert call(command, "--product=plate", f"--runs={work / 'runs'}") == 2
    assert "have changed since the fit" in capsys.readouterr().err


def test_a_version_can_be_published_without_serving(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", "--product=plate", f"--runs={work / 'runs'}", "--no-activate") == 0
    registry = Registry(work / "store")
    assert (registry.versions("plate"), registry.active("plate")) == ((1, 2), 1)
    assert "compare plate plate@2" in capsys.readouterr().out


def test_what_was_decided_and_by_which_figure_is_in_the_manifest(fitted: Path) -> None:
    options = [f"--data={fitted / 'data'}", f"--store={fitted / 'decided'}", f"--runs={fitted / 'runs-decided'}"]
    told = (*TINY, "align.turn=auto")
    assert call("fit", "--product=plate", *options, *(f"--set={line}" for line in told)) == 0
    manifest, _ = read_manifest(Registry(fitted / "decided").resolve("plate").path)
    decided_by = manifest.training.decided_by
    assert decided_by.keys() == {"align.gain", "align.turn_gain"}  # eight pictures held out decide no statistics
    assert (manifest.detector.align is not None) == (max(decided_by.values()) >= WORTH_IT)


@pytest.mark.parametrize("turn", [0, 15, 180])
def test_a_product_whose_parts_are_moved_is_published_and_scores_as_it_did(fitted: Path, turn: int) -> None:
    options = [f"--data={fitted / 'data'}", f"--store={fitted / f'moved{turn}'}", f"--runs={fitted / f'runs{turn}'}"]
    told = (*TINY, "align.use=on", f"align.turn={turn}")
    assert call("fit", "--product=plate", *options, *(f"--set={line}" for line in told)) == 0
    registry = Registry(fitted / f"moved{turn}")
    model = load_artifact(registry.resolve("plate").path, BackboneStore(registry.backbones_root), torch.device("cpu"))
    assert model.detector.spec.align is not None
    assert model.detector.spec.align.turn == turn
    assert model.golden_delta == 0


def test_a_version_knows_the_health_of_its_calibration_pictures(fitted: Path) -> None:
    manifest, _ = read_manifest(Registry(fitted / "store").resolve("plate@1").path)
    samples = open_run(RunFolder(fitted / "runs/plate")).dataset.calibrate
    means = [decode(sample.path.read_bytes(), manifest.detector.input).pixels.mean() / 255 for sample in samples]
    assert manifest.image_health is not None
    assert manifest.image_health.pictures == len(samples) == 8
    assert manifest.image_health.centre.mean == pytest.approx(np.mean(means), abs=0.02)


def test_a_budget_that_is_too_short_stops_with_advice(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--data={fitted / 'data'}", f"--runs={fitted / 'short'}", *(f"--set={line}" for line in TINY)]
    assert call("fit", "--product=plate", "--time-budget=1s", *options) == 2
    assert "start over with --fresh and ten epochs: --time-budget" in capsys.readouterr().err


def test_a_plan_goes_by_the_budget_and_a_cosine_that_has_ended_stays_ended(work: Path) -> None:
    run = open_run(RunFolder(work / "runs/plate"))
    budgeted = replace(run, config=run.config.model_copy(update={"time_budget": 1000.0}))
    plan = _plan(budgeted)
    records = [EpochRecord(0, 0.5, 0.1, 0.1, 0.1, 1e-3, seconds=1.0, planned=2)]
    assert _plan(run)(records) == plan([]) == 2  # fit.epochs, for want of anything measured
    assert 900 < plan(records) < 1000
    assert plan([*records, replace(records[0], epoch=1)]) == 2


def test_fit_says_what_the_calibration_pictures_support_and_records_its_epochs(
    fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--{name}={fitted / name}" for name in ("data", "store", "runs", "tensorboard")]
    assert call("fit", "--product=plate", *options, *(f"--set={line}" for line in TINY)) == 0
    assert "8 calibration pictures support 11.11% at best" in capsys.readouterr().out
    assert json.loads((fitted / "runs/plate/fit.json").read_text())["chosen_epochs"] == 2


def test_a_device_that_is_not_there_is_an_error_with_advice(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--data={fitted / 'data'}", f"--runs={fitted / 'elsewhere'}", *(f"--set={line}" for line in TINY)]
    assert call("fit", "--product=plate", "--set=device=quantum", *options) == 2
    assert "device 'quantum' cannot be used" in capsys.readouterr().err
