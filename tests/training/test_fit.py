"""Stage 1: the reconstruction network."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from detector.build import build_detector, detector_weights
from detector.pipeline import Detector
from detector.spec import DetectorSpec, DisjointSpec, FaderSpec, InputSpec, SaliencySpec, UNetSpec
from training.config import FaderConfig, FitConfig
from training.errors import CheckpointUnreadable, FitDiverged
from training.fit import EpochRecord, fit_reconstruction, learning_rate
from training.fit_fader import FaderEpoch, fit_fader, patch_errors, rank_correlation
from training.rebuild import Pictures

SPEC = DetectorSpec(
    input=InputSpec(height=32, width=32),
    mosaic_scale=4,
    unet=UNetSpec(widths=(4, 8)),
    fader=FaderSpec(patch=8, hidden=8, levels=(0,)),
)
FIT = FitConfig(epochs=4, batch_size=4, learning_rate=1e-2, schedule="cosine")
FADER = FaderConfig(epochs=4, learning_rate=1e-2)


RIAD = dataclasses.replace(
    SPEC, saliency=SaliencySpec(kind="disjoint", hide_as="removed", disjoint=DisjointSpec(cells=(2, 4, 8)))
)


def make_detector(seed: int = 0, spec: DetectorSpec = SPEC) -> Detector:
    torch.manual_seed(seed)
    return build_detector(spec)


@pytest.fixture
def pictures() -> Pictures:
    """Ten parts: a dark field with a textured square, shifted a little from part to part."""
    random = np.random.default_rng(0)
    parts = random.integers(40, 60, (10, 32, 32, 3))
    for part in parts:
        y, x = random.integers(6, 12, 2)
        part[y : y + 12, x : x + 12] += random.integers(0, 150, (12, 12, 1))
    return parts.astype(np.uint8)


class Killed(Exception):
    """Stands for Ctrl-C or a kill between two epochs."""


def kill_after(epoch: int) -> Callable[[EpochRecord | FaderEpoch], None]:
    def on_epoch(record: EpochRecord | FaderEpoch) -> None:
        if record.epoch == epoch:
            raise Killed

    return on_epoch


def keep_going(_: EpochRecord | FaderEpoch) -> None:
    """No one listens."""


def test_the_loss_falls(pictures: Pictures, tmp_path: Path) -> None:
    history = fit_reconstruction(make_detector(), pictures, FIT, seed=0, checkpoint=tmp_path, on_epoch=keep_going)
    assert history[-1].loss < history[0].loss
    assert [record.epoch for record in history] == [0, 1, 2, 3]


def test_an_interrupted_fit_ends_in_the_same_weights(pictures: Pictures, tmp_path: Path) -> None:
    straight, resumed = make_detector(), make_detector()
    fit_reconstruction(straight, pictures, FIT, seed=0, checkpoint=tmp_path / "a", on_epoch=keep_going)
    with pytest.raises(Killed):
        fit_reconstruction(resumed, pictures, FIT, seed=0, checkpoint=tmp_path / "b", on_epoch=kill_after(1))
    resumed = make_detector(seed=9)  # a new process has other random weights until the checkpoint fills them
    history = fit_reconstruction(resumed, pictures, FIT, seed=0, checkpoint=tmp_path / "b", on_epoch=keep_going)
    assert len(history) == 4
    resumed_weights = resumed.unet.state_dict()
    assert all(torch.equal(tensor, resumed_weights[name]) for name, tensor in straight.unet.state_dict().items())


def test_the_loss_falls_behind_disjoint_masks_too(pictures: Pictures, tmp_path: Path) -> None:
    config = FIT.model_copy(update={"loss": "riad", "epochs": 8})
    history = fit_reconstruction(
        make_detector(spec=RIAD), pictures, config, seed=0, checkpoint=tmp_path, on_epoch=keep_going
    )
    assert history[-1].loss < history[0].loss


def test_an_interrupted_fit_behind_disjoint_masks_ends_in_the_same_weights(pictures: Pictures, tmp_path: Path) -> None:
    straight, resumed = make_detector(spec=RIAD), make_detector(spec=RIAD)
    fit_reconstruction(straight, pictures, FIT, seed=0, checkpoint=tmp_path / "a", on_epoch=keep_going)
    with pytest.raises(Killed):
        fit_reconstruction(resumed, pictures, FIT, seed=0, checkpoint=tmp_path / "b", on_epoch=kill_after(1))
    fit_reconstruction(resumed, pictures, FIT, seed=0, checkpoint=tmp_path / "b", on_epoch=keep_going)
    resumed_weights = resumed.unet.state_dict()
    assert all(torch.equal(tensor, resumed_weights[name]) for name, tensor in straight.unet.state_dict().items())


def test_the_attenuator_learns_from_every_disjoint_mask(pictures: Pictures) -> None:
    detector = make_detector(spec=RIAD)
    hints, errors = patch_errors(detector, pictures, 8)
    assert (hints.shape, errors.shape) == ((10, 3, 32, 32), (10, 16))
    hidden = (hints.sum(dim=1) == 0).flatten(1).float()
    assert len(hidden.unique(dim=0)) == 9


def test_another_seed_gives_other_weights(pictures: Pictures, tmp_path: Path) -> None:
    first, second = make_detector(), make_detector()
    fit_reconstruction(first, pictures, FIT, seed=0, checkpoint=tmp_path / "a", on_epoch=keep_going)
    fit_reconstruction(second, pictures, FIT, seed=1, checkpoint=tmp_path / "b", on_epoch=keep_going)
    weight = "picture.0.weight"
    assert not torch.equal(first.unet.state_dict()[weight], second.unet.state_dict()[weight])


def test_a_damaged_checkpoint_is_refused(pictures: Pictures, tmp_path: Path) -> None:
    (tmp_path / "reconstruction.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointUnreadable, match="--fresh"):
        fit_reconstruction(make_detector(), pictures, FIT, seed=0, checkpoint=tmp_path, on_epoch=keep_going)


def test_a_fit_that_diverges_stops_and_says_so(pictures: Pictures, tmp_path: Path) -> None:
    detector = make_detector()
    detector.unet.picture[0].bias.data.fill_(float("nan"))  # type: ignore[operator, union-attr]
    with pytest.raises(FitDiverged, match="learning_rate"):
        fit_reconstruction(detector, pictures, FIT, seed=0, checkpoint=tmp_path, on_epoch=keep_going)


def test_the_network_is_left_in_eval_mode(pictures: Pictures, tmp_path: Path) -> None:
    detector = make_detector()
    fit_reconstruction(detector, pictures, FIT, seed=0, checkpoint=tmp_path, on_epoch=keep_going)
    assert not any(module.training for module in detector.modules())


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("fixed", [1.0, 1.0, 1.0]),
        ("step", [1.0, 1.0, 0.1]),
        ("warm-up", [0.01, 1.0, 1.0]),
        ("cosine", [0.01, 1.0, 0.01]),
    ],
)
def test_schedules_start_peak_and_end_where_they_should(schedule: str, rates: list[float]) -> None:
    config = FitConfig.model_validate({"epochs": 50, "learning_rate": 1.0, "schedule": schedule})
    assert [learning_rate(config, epoch) for epoch in (0, 5, 50)] == pytest.approx(rates)


def test_sgdr_falls_to_a_fifth_and_restarts_after_20_and_60_epochs() -> None:
    config = FitConfig(epochs=300, learning_rate=1.0, schedule="sgdr")
    rates = [learning_rate(config, epoch) for epoch in (0, 10, 19.999, 20, 40, 59.999, 60, 100, 139.999, 140)]
    assert rates == pytest.approx([1, 0.6, 0.2, 1, 0.6, 0.2, 1, 0.6, 0.2, 1], abs=1e-4)


def test_a_plan_that_changes_moves_the_end_of_the_cosine(pictures: Pictures, tmp_path: Path) -> None:
    def plan(records: Sequence[EpochRecord]) -> int:
        return 6 if records else 3

    history = fit_reconstruction(
        make_detector(), pictures, FIT, seed=0, checkpoint=tmp_path, on_epoch=keep_going, plan=plan
    )
    assert [record.planned for record in history] == [3, 6, 6, 6, 6, 6]
    six = FIT.model_copy(update={"epochs": 6})
    assert history[-1].learning_rate == learning_rate(six, 5 + 8 / 10)  # its last batch begins at picture 8 of 10


def test_a_fit_in_bf16_learns_and_leaves_float32_weights(pictures: Pictures, tmp_path: Path) -> None:
    exact, half = make_detector(), make_detector()
    config = FIT.model_copy(update={"precision": "bf16"})
    fit_reconstruction(exact, pictures, FIT, seed=0, checkpoint=tmp_path / "a", on_epoch=keep_going)
    history = fit_reconstruction(half, pictures, config, seed=0, checkpoint=tmp_path / "b", on_epoch=keep_going)
    assert history[-1].loss < history[0].loss
    weights = half.unet.state_dict()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32, torch.int64}  # batches are counted
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in exact.unet.state_dict().items())


@pytest.mark.slow  # the compiler takes a minute
def test_a_compiled_fit_learns_what_a_plain_one_does(pictures: Pictures, tmp_path: Path) -> None:
    histories = [
        fit_reconstruction(
            make_detector(),
            pictures,
            FIT.model_copy(update={"epochs": 1, "compile": compiled}),
            seed=0,
            checkpoint=tmp_path / str(compiled),
            on_epoch=keep_going,
        )
        for compiled in (False, True)
    ]
    assert histories[1][0].loss == pytest.approx(histories[0][0].loss, rel=1e-2)


@pytest.mark.parametrize("loss", ["relative", "pairwise", "regression"])
def test_the_attenuator_learns_the_order_of_the_errors(pictures: Pictures, tmp_path: Path, loss: str) -> None:
    detector = make_detector()
    config = FaderConfig.model_validate({"loss": loss, "epochs": 40, "learning_rate": 1e-2})
    history = fit_fader(detector, pictures, config, seed=0, checkpoint=tmp_path, on_epoch=keep_going)
    assert history[-1].loss < history[0].loss
    hints, errors = patch_errors(detector, pictures, 8)
    assert detector.fader is not None
    with torch.no_grad():
        predicted = detector.fader(hints).flatten(1)
    assert rank_correlation(predicted, errors) > 0.5


def test_fitting_the_attenuator_leaves_the_reconstruction_network_alone(pictures: Pictures, tmp_path: Path) -> None:
    detector = make_detector()
    before = detector_weights(detector)
    fit_fader(detector, pictures, FADER, seed=0, checkpoint=tmp_path, on_epoch=keep_going)
    after = detector_weights(detector)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"fader"}


def test_an_interrupted_attenuator_ends_in_the_same_weights(pictures: Pictures, tmp_path: Path) -> None:
    straight, resumed = make_detector(), make_detector()
    fit_fader(straight, pictures, FADER, seed=0, checkpoint=tmp_path / "a", on_epoch=keep_going)
    with pytest.raises(Killed):
        fit_fader(resumed, pictures, FADER, seed=0, checkpoint=tmp_path / "b", on_epoch=kill_after(1))
    resumed = make_detector()
    fit_fader(resumed, pictures, FADER, seed=0, checkpoint=tmp_path / "b", on_epoch=keep_going)
    resumed_weights = detector_weights(resumed)
    assert all(torch.equal(tensor, resumed_weights[name]) for name, tensor in detector_weights(straight).items())


def test_rank_correlation_is_1_for_the_same_order_and_minus_1_for_the_opposite() -> None:
    errors = torch.rand(3, 20)
    assert rank_correlation(errors.exp(), errors) == pytest.approx(1)
    assert rank_correlation(-errors, errors) == pytest.approx(-1)
