"""One configuration on trial: fitted on `train`, marked on held-out pictures and their damaged twins.

In: a `Bench` (pictures and exam, the same for every trial), a configuration. Out: its `Mark`, and one every few epochs.
Leaves no file. Refuses: what a fit refuses (`FitFailed`).
"""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from detector.build import build_detector
from detector.pipeline import Detector
from model_store.backbones import BackboneStore
from model_store.registry import Registry
from training.calibrate import pick_device
from training.config import TrainConfig
from training.data import Dataset, load_pictures, measure_stretch
from training.design import choose_spec
from training.errors import ConfigInvalid
from training.exam import Exam, Mark, mark, set_exam
from training.fit import EpochRecord, fit_reconstruction
from training.fit_align import fit_alignment
from training.fit_checks import check_reconstructions
from training.fit_fader import fit_fader
from training.rebuild import Pictures

MARKS = 8  # at most, while a network is fitted: each costs about half an epoch

OnMark = Callable[[int, Mark], None]  # epochs done, what they reached; may raise to end the trial


@dataclass(frozen=True)
class Bench:
    """What all trials of a search share."""

    train: Pictures
    """(N,H,W,3) uint8: fits the reconstruction network."""
    exam: Exam
    mosaic_scale: int
    """px: what the first configuration comes to, where it says `auto`."""


def set_bench(config: TrainConfig, dataset: Dataset) -> Bench:
    """Read the training and the held-out pictures of `dataset`, and no others; no search with tiles."""
    if config.tiles is not None:
        raise ConfigInvalid(
            "a search knows whole pictures only: search without tiles, at 256 px, and take what it finds"
        )
    train, held_out = (load_pictures(samples, config.input) for samples in (dataset.train, dataset.hold_out))
    stretch = measure_stretch(dataset.train, config.input)
    alignment = fit_alignment(config, train, held_out, pick_device(config.device), stretch=stretch)
    train, held_out = alignment.moved(train), alignment.moved(held_out)  # once: no trial changes where parts lie
    spec, _ = choose_spec(config, _backbones(config), train)
    return Bench(train, set_exam(held_out, train, seed=config.seed), spec.mosaic_scale)


def try_config(config: TrainConfig, on_mark: OnMark, *, bench: Bench) -> Mark:
    """Fit and mark one configuration; `on_mark` hears now and then of its network alone, before the attenuator."""
    return mark(fit_config(config, on_mark, bench=bench), bench.exam, bench.train)


def fit_config(config: TrainConfig, on_mark: OnMark, *, bench: Bench) -> Detector:
    """Fit as `training.run.fit` does, on half of the held-out pictures; the evidence is left to `mark`."""
    spec, backbone = choose_spec(config, _backbones(config), bench.train)
    torch.manual_seed(config.seed)
    detector = build_detector(spec, backbone).to(pick_device(config.device))
    with tempfile.TemporaryDirectory() as folder:
        _fit(detector, config, bench, Path(folder), on_mark)
    return detector


def _fit(detector: Detector, config: TrainConfig, bench: Bench, folder: Path, on_mark: OnMark) -> None:
    fader, every = detector.fader, math.ceil(config.fit.epochs / MARKS)

    def on_epoch(record: EpochRecord) -> None:
        done = record.epoch + 1
        if done % every == 0 and done < config.fit.epochs:
            on_mark(done, _mark_halfway(detector, bench))

    detector.fader = None  # it is fitted to a finished network; until then it would cut at random
    fit_reconstruction(detector, bench.train, config.fit, seed=config.seed, checkpoint=folder, on_epoch=on_epoch)
    check_reconstructions(detector, bench.train)
    detector.fader = fader
    pictures = bench.exam.statistics
    fit_fader(detector, pictures, config.fader, seed=config.seed, checkpoint=folder, on_epoch=lambda _: None)


def _mark_halfway(detector: Detector, bench: Bench) -> Mark:
    """As in service, where batch statistics are frozen; training goes on afterwards."""
    detector.unet.eval()
    reached = mark(detector, bench.exam, bench.train)
    detector.unet.train()
    return reached


def _backbones(config: TrainConfig) -> BackboneStore:
    return BackboneStore(Registry(config.store).backbones_root)
