"""A fit that has gone wrong stops with advice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detector.build import build_detector
from detector.pipeline import Detector
from tests.model_store.drafts import SPEC
from training.config import load_config
from training.errors import ReconstructionConstant, SaliencyEmpty, SaliencyFull
from training.fit_checks import check_masks, check_reconstructions
from training.listener import Epoch
from training.rebuild import Pictures
from training.run import begin_run, fit
from training.sample import SampleConfig, draw_product

TINY = ["input.height=32", "input.width=32", "unet.widths=[4,8]", "fit.epochs=1", "fader.epochs=1", "promise=0.2"]
TINY += ["align.turn=0"]  # tests/training/test_fit_turn.py looks for turns


class Silent:
    """A listener that does not listen."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins."""

    def step(self, done: int, text: str) -> None:
        """A step is done."""

    def epoch(self, record: Epoch) -> None:
        """An epoch has ended."""


@pytest.fixture
def pictures() -> Pictures:
    return np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), np.uint8)


@pytest.fixture
def detector() -> Detector:
    """Random weights whose last convolution is as strong as after a fit: it draws another picture for another part."""
    torch.manual_seed(0)
    detector = build_detector(SPEC)
    for parameter in detector.unet.picture.parameters():
        parameter.data.mul_(50)
    return detector


def blind(detector: Detector) -> Detector:
    """Its last convolution multiplies by zero: the same grey for every part."""
    for parameter in detector.unet.picture.parameters():
        parameter.data.zero_()
    return detector


def test_masks_that_hide_something_somewhere_pass() -> None:
    masks = torch.zeros(3, 1, 8, 8)
    masks[1, 0, 2, 2] = 1
    check_masks(masks, "spectral")


def test_masks_that_hide_nothing_anywhere_stop_the_fit() -> None:
    with pytest.raises(SaliencyEmpty, match=r"lower saliency\.threshold_sigmas"):
        check_masks(torch.zeros(3, 1, 8, 8), "spectral")


def test_masks_that_hide_everything_stop_the_fit_unless_asked_for() -> None:
    with pytest.raises(SaliencyFull, match=r"raise saliency\.threshold_sigmas"):
        check_masks(torch.ones(3, 1, 8, 8), "attention")
    check_masks(torch.ones(3, 1, 8, 8), "whole")
    check_masks(torch.zeros(3, 1, 8, 8), "none")


def test_reconstructions_that_follow_the_pictures_pass(detector: Detector, pictures: Pictures) -> None:
    check_reconstructions(detector, pictures)


def test_a_network_that_always_draws_the_same_stops_the_fit(detector: Detector, pictures: Pictures) -> None:
    with pytest.raises(ReconstructionConstant, match=r"from picture to picture.*fit\.learning_rate"):
        check_reconstructions(blind(detector), pictures)


def test_one_part_again_and_again_is_no_reason_to_stop_but_a_flat_drawing_is(
    detector: Detector, pictures: Pictures
) -> None:
    copies = pictures[[0, 0, 0]]
    check_reconstructions(detector, copies)
    with pytest.raises(ReconstructionConstant, match="from place to place"):
        check_reconstructions(blind(detector), copies)


@pytest.mark.parametrize(("sigmas", "error"), [("1000", SaliencyEmpty), ("-1000", SaliencyFull)])
@pytest.mark.parametrize("scale", ["auto", "4"])
def test_the_fit_stops_before_its_first_epoch(tmp_path: Path, sigmas: str, error: type[Exception], scale: str) -> None:
    draw_product(tmp_path / "data", SampleConfig(train=30, test_good=1, per_kind=1, size=48))
    options = {name: str(tmp_path / name) for name in ("data", "store", "runs")} | {"product": "plate"}
    lines = [*TINY, f"saliency.threshold_sigmas={sigmas}", f"mosaic_scale={scale}"]
    run, _ = begin_run(load_config("cpu", options, lines), fresh=False)
    with pytest.raises(error):
        fit(run, Silent())
    assert sorted(path.name for path in run.folder.root.iterdir()) == ["config.json", "dataset.json", "identity.json"]
