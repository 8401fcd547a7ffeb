"""One product from good pictures to a version in the model store; each stage leaves its result in the run folder.

In: TrainConfig. Out: a published version. Refuses: what the errors of training, detector and model_store draw.
An interrupted fit goes on from its last epoch when it is started again with the same configuration and pictures.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import TypeAdapter

from detector.build import build_detector, detector_weights, load_detector_weights
from detector.calibration import Calibration
from detector.engine import as_served
from detector.pipeline import Detector
from detector.spec import AlignSpec, DetectorSpec
from model_store.backbones import BackboneStore
from model_store.manifest import TrainingRecord, check_product_name
from model_store.registry import Registry, VersionRef
from training.budget import Budget, Workload
from training.calibrate import calibrate_scores, measure_health, pick_device, score_samples
from training.choose_statistics import KINDS, choose_statistics
from training.config import TrainConfig
from training.crops import FITTED_ON, HELD_OUT, Views, take_views
from training.data import Dataset, load_pictures, measure_stretch, read_dataset
from training.dataset_lint import check_dataset
from training.design import choose_spec
from training.evaluate import Evaluation, judge_parts, measure
from training.export import choose_golden, export
from training.fit import EpochRecord, Plan, fit_reconstruction
from training.fit_align import Alignment, fit_alignment
from training.fit_checks import check_reconstructions
from training.fit_evidence import fit_evidence, fit_fields, fit_scale
from training.fit_fader import FaderEpoch, fit_fader
from training.fit_fusion import drop_idle_maps, fit_fusion
from training.listener import Listener
from training.memory import Eye, Memory
from training.rebuild import Pictures
from training.run_folder import RunFolder

DATASET, FIT, CALIBRATION, SCORES = "dataset.json", "fit.json", "calibration.json", "scores.json"
_SPEC = TypeAdapter(DetectorSpec)
_CALIBRATION = TypeAdapter(Calibration)
_EVALUATION = TypeAdapter(Evaluation)


@dataclass(frozen=True)
class Run:
    """A run folder, what it was told, and its pictures."""

    folder: RunFolder
    config: TrainConfig
    dataset: Dataset
    begun: float
    """`time.monotonic()` when it was opened: a time budget counts from here."""


def begin_run(config: TrainConfig, *, fresh: bool) -> tuple[Run, tuple[str, ...]]:
    """Check the pictures and open the run folder; gives the dataset's warnings. `DatasetError` lists all errors."""
    begun = time.monotonic()
    check_product_name(config.product)
    dataset = read_dataset(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    warnings = check_dataset(dataset, config)
    folder = RunFolder(config.runs / config.product)
    folder.begin(config, dataset.digest, fresh=fresh)
    folder.write(DATASET, {"warnings": warnings})
    return Run(folder, config, dataset, begun), warnings


def open_run(folder: RunFolder) -> Run:
    """A run that was begun before; its pictures are read again and must still be the ones that it was fitted on."""
    begun, config = time.monotonic(), folder.config()
    dataset = read_dataset(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    folder.check_pictures(config.data, dataset.digest)
    return Run(folder, config, dataset, begun)


def fit(run: Run, listener: Listener) -> Detector:
    """Both networks and the evidence statistics; writes the detector's weights and fit.json."""
    config, dataset = run.config, run.dataset
    listener.stage("reading pictures", 1)
    pictures = load_pictures(dataset.train, config.input, run.folder.root)
    held_out = load_pictures(dataset.hold_out, config.input, run.folder.root)
    listener.step(1, f"{len(pictures)} to fit, {len(held_out)} held out")
    alignment = _align(run, pictures, held_out, listener)
    pictures, held_out = alignment.moved(pictures), alignment.moved(held_out)
    views = take_views(pictures, config.tiles, FITTED_ON, seed=config.seed)
    spec, backbone = choose_spec(config, _backbones(config), views.pictures)
    torch.manual_seed(config.seed)
    detector = build_detector(spec, backbone).to(pick_device(config.device))
    epochs = _fit_reconstruction(run, detector, views, listener)
    check_reconstructions(detector, views.pictures)
    fader_epochs = _fit_fader(run, detector, take_views(held_out, config.tiles, HELD_OUT, seed=config.seed), listener)
    marks = _learn_normal(run, detector, pictures, held_out, listener)
    _place(detector, alignment)
    run.folder.write_detector(detector_weights(detector))
    seconds = sum(record.seconds for record in epochs) + sum(record.seconds for record in fader_epochs)
    run.folder.write(
        FIT,
        {
            "spec": _SPEC.dump_python(detector.spec, mode="json"),
            "minutes": seconds / 60,
            "device": str(next(detector.parameters()).device),
            "chosen_epochs": len(epochs),
            "alignment_gain": alignment.gain,
            "turn_gain": alignment.turn_gain,
            "statistics_marks": marks,
            "epochs": [vars(record) for record in epochs],
            "fader_epochs": [vars(record) for record in fader_epochs],
        },
    )
    return detector


def load_fitted(run: Run) -> Detector:
    """The detector that `fit` left in the run folder."""
    spec = _SPEC.validate_python(run.folder.read(FIT, stage="fit")["spec"])
    backbone = None if spec.backbone is None else _backbones(run.config).load(spec.backbone.digest)
    detector = build_detector(spec, backbone)
    load_detector_weights(detector, run.folder.read_detector())
    return detector.to(pick_device(run.config.device))


def calibrate(run: Run, detector: Detector, *, promise: float, review_rate: float) -> Calibration:
    """Thresholds from the calibration pictures; writes calibration.json."""
    scored = score_samples(detector, run.dataset.calibrate)
    calibration = calibrate_scores(scored, promise=promise, review_rate=review_rate)
    run.folder.write(CALIBRATION, _CALIBRATION.dump_python(calibration, mode="json"))
    return calibration


def load_calibration(run: Run) -> Calibration:
    """The thresholds that `calibrate` left in the run folder."""
    return _CALIBRATION.validate_python(run.folder.read(CALIBRATION, stage="calibrate"))


def evaluate(run: Run, detector: Detector, calibration: Calibration) -> Evaluation:
    """Scores and verdicts of calibration and test pictures, figures of the test ones; writes scores.json."""
    parts, metrics = [], {}
    for role in ("calibrate", "test"):
        samples = run.dataset.roles[role]
        scored = score_samples(detector, samples)
        parts += judge_parts(samples, scored, calibration, role)
        metrics = measure(samples, scored, calibration) if role == "test" else {}
    evaluation = Evaluation(tuple(parts), metrics)
    run.folder.write(SCORES, evaluation.to_json())
    return evaluation


def load_evaluation(run: Run) -> Evaluation:
    """The scores and figures that `evaluate` left in the run folder."""
    return _EVALUATION.validate_python(run.folder.read(SCORES, stage="evaluate"))


def publish(
    run: Run, detector: Detector, calibration: Calibration, evaluation: Evaluation, *, activate: bool
) -> VersionRef:
    """A new version of the product; the one that serves if `activate`."""
    scores = [part.score for part in evaluation.parts if part.role == "calibrate"]
    golden = choose_golden(run.dataset.calibrate, scores, run.config.golden_images)
    return export(
        run.config.store,
        run.config.product,
        detector,
        calibration=calibration,
        record=_record(run, detector),
        metrics=evaluation.metrics,
        golden=golden,
        image_health=measure_health(run.dataset.calibrate, run.config.input),
        activate=activate,
    )


def _align(run: Run, pictures: Pictures, held_out: Pictures, listener: Listener) -> Alignment:
    """Before all else: what follows sees the parts as they will be seen in service."""
    listener.stage("where parts lie", 1)
    config = run.config
    stretch = measure_stretch(run.dataset.train, config.input)
    alignment = fit_alignment(config, pictures, held_out, pick_device(config.device), stretch=stretch)
    listener.step(1, _describe(None if alignment.aligner is None else alignment.aligner.spec))
    return alignment


def _describe(spec: AlignSpec | None) -> str:
    if spec is None:
        return "parts are taken as they lie"
    return "parts are turned and moved into place" if spec.turn else "parts are moved into place"


def _adopt(detector: Detector, served: Detector) -> None:
    """The evidence that was fitted on `served`, and no part that it does not need."""
    detector.spec, detector.evidence = served.spec, served.evidence
    detector.backbone = None if served.backbone is None else detector.backbone
    detector.filters = served.filters


def _place(detector: Detector, alignment: Alignment) -> None:
    """From here on `detector` moves the parts itself."""
    detector.aligner = alignment.aligner
    spec = None if alignment.aligner is None else alignment.aligner.spec
    detector.spec = replace(detector.spec, align=spec)


def _learn_normal(
    run: Run, detector: Detector, pictures: Pictures, held_out: Pictures, listener: Listener
) -> dict[str, float]:
    """Statistics, in place, of what will score parts; the mark of each kind that was tried."""
    listener.stage("what is normal", 1)
    served = as_served(detector)  # twice as fast as what was fitted
    memory = Memory(served)
    marks = _fit_evidence(run, served, pictures, held_out, memory)
    drop_idle_maps(served)
    fit_fields(served, [*pictures, *held_out], memory)
    _adopt(detector, served)
    listener.step(1, "")
    return marks


def _fit_evidence(run: Run, detector: Detector, pictures: Pictures, held_out: Pictures, eye: Eye) -> dict[str, float]:
    """Statistics and weights; the marks of the kinds of statistics where there was a choice."""
    auto = run.config.statistics == "auto"
    marks = choose_statistics(detector, pictures, held_out, seed=run.config.seed, eye=eye) if auto else {}
    if marks:  # the distributions of features are fitted
        fit_scale(detector, held_out, eye)
    else:
        fit_evidence(detector, pictures, held_out, eye)
    fit_fusion(detector, held_out, seed=run.config.seed, eye=eye)
    return marks


def _fit_reconstruction(run: Run, detector: Detector, views: Views, listener: Listener) -> tuple[EpochRecord, ...]:
    config = run.config.fit
    listener.stage("reconstruction network", config.epochs)
    return fit_reconstruction(
        detector,
        views.pictures,
        config,
        seed=run.config.seed,
        checkpoint=run.folder.root,
        on_epoch=listener.epoch,
        plan=_plan(run),
        masks=views.masks(detector),
    )


def _plan(run: Run) -> Plan:
    """As many epochs as the configuration says, or as fit into what is left of the time budget."""
    config, data = run.config, run.dataset
    if config.time_budget is None:
        return lambda _: config.fit.epochs
    fader_epochs = config.fader.epochs if config.fader.enabled else 0
    kinds = len(KINDS) if config.statistics == "auto" else 1
    work = Workload(len(data.train), len(data.hold_out), len(data.calibrate), len(data.test), fader_epochs, kinds)
    budget = Budget(config.time_budget, time.monotonic() - run.begun, work)

    def plan(records: Sequence[EpochRecord]) -> int:
        if not records:
            return config.fit.epochs  # nothing is measured yet, and a warm-up has to begin somehow
        if len(records) > 1 and records[-1].planned == len(records):
            return len(records)  # the cosine has ended; a resumed run must not go on under a fitted attenuator
        return budget.plan([record.seconds for record in records])

    return plan


def _fit_fader(run: Run, detector: Detector, views: Views, listener: Listener) -> tuple[FaderEpoch, ...]:
    config = run.config.fader
    if not config.enabled:
        return ()
    listener.stage("attenuator", config.epochs)
    return fit_fader(
        detector,
        views.pictures,
        config,
        seed=run.config.seed,
        checkpoint=run.folder.root,
        on_epoch=listener.epoch,
        masks=views.masks(detector),
    )


def _record(run: Run, detector: Detector) -> TrainingRecord:
    fitted, spec = run.folder.read(FIT, stage="fit"), detector.spec
    return TrainingRecord(
        config=run.config.model_dump(mode="json"),
        seed=run.config.seed,
        data_digest=run.dataset.digest,
        images={role: len(samples) for role, samples in run.dataset.roles.items()},
        minutes=float(fitted["minutes"]),
        device=str(fitted["device"]),
        saliency=spec.saliency.kind,
        backbone=None if spec.backbone is None else spec.backbone.name,
        decided_by=_decided_by(fitted),
    )


def _decided_by(fitted: Mapping[str, Any]) -> dict[str, float]:
    """Figure → value, as the fit left them; a fit of a program that decided nothing has none."""
    marks = {f"statistics.{kind}": float(mark) for kind, mark in fitted.get("statistics_marks", {}).items()}
    gains = {"align.gain": fitted.get("alignment_gain"), "align.turn_gain": fitted.get("turn_gain")}
    return {name: float(gain) for name, gain in gains.items() if gain is not None} | marks


def _backbones(config: TrainConfig) -> BackboneStore:
    return BackboneStore(Registry(config.store).backbones_root)
