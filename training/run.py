"""One product from good pictures to a version in the model store; each stage leaves its result in the run folder.

In: TrainConfig. Out: a published version. Refuses: what the errors of training, detector and model_store draw.
An interrupted fit goes on from its last epoch when it is started again with the same configuration and pictures.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from pydantic import TypeAdapter

from detector.build import build_detector, detector_weights, load_detector_weights
from detector.calibration import Calibration
from detector.evidence.standardise import fit_statistics
from detector.pipeline import Detector, stack
from detector.spec import DetectorSpec
from model_store.backbones import BackboneStore
from model_store.manifest import TrainingRecord, check_product_name
from model_store.registry import Registry, VersionRef
from training.calibrate import BATCH_SIZE, calibrate_scores, pick_device, score_pictures
from training.config import TrainConfig
from training.data import Dataset, load_pictures, read_dataset
from training.dataset_lint import check_dataset
from training.design import choose_spec
from training.evaluate import Evaluation, judge_parts, measure
from training.export import choose_golden, export
from training.fit import EpochRecord, Pictures, fit_reconstruction
from training.fit_fader import FaderEpoch, fit_fader
from training.run_folder import RunFolder

DATASET, FIT, CALIBRATION, SCORES = "dataset.json", "fit.json", "calibration.json", "scores.json"
_SPEC = TypeAdapter(DetectorSpec)
_CALIBRATION = TypeAdapter(Calibration)
_EVALUATION = TypeAdapter(Evaluation)


class Listener(Protocol):
    """Who watches a run: a progress bar, a log."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self, done: int, text: str) -> None:
        """`done` of the stage's steps are done; more than one at once where a run goes on."""


@dataclass(frozen=True)
class Run:
    """A run folder, what it was told, and its pictures."""

    folder: RunFolder
    config: TrainConfig
    dataset: Dataset


def begin_run(config: TrainConfig, *, fresh: bool) -> tuple[Run, tuple[str, ...]]:
    """Check the pictures and open the run folder; gives the dataset's warnings. `DatasetError` lists all errors."""
    check_product_name(config.product)
    dataset = read_dataset(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    warnings = check_dataset(dataset, config)
    folder = RunFolder(config.runs / config.product)
    folder.begin(config, dataset.digest, fresh=fresh)
    folder.write(DATASET, {"warnings": warnings})
    return Run(folder, config, dataset), warnings


def open_run(folder: RunFolder) -> Run:
    """A run that was begun before; its pictures are read again from where they were."""
    config = folder.config()
    dataset = read_dataset(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    return Run(folder, config, dataset)


def fit(run: Run, listener: Listener) -> Detector:
    """Both networks and the evidence statistics; writes the detector's weights and fit.json."""
    config, dataset = run.config, run.dataset
    listener.stage("reading pictures", 1)
    pictures = load_pictures(dataset.train, config.input)
    held_out = load_pictures(dataset.hold_out, config.input)
    listener.step(1, f"{len(pictures)} to fit, {len(held_out)} held out")
    spec, backbone = choose_spec(config, _backbones(config), pictures)
    torch.manual_seed(config.seed)
    detector = build_detector(spec, backbone).to(pick_device(config.device))
    epochs = _fit_reconstruction(run, detector, pictures, listener)
    fader_epochs = _fit_fader(run, detector, held_out, listener)
    device = next(detector.parameters()).device
    rows = range(0, len(held_out), BATCH_SIZE)
    fit_statistics(detector, (stack(list(held_out[row : row + BATCH_SIZE]), device) for row in rows))
    run.folder.write_detector(detector_weights(detector))
    seconds = sum(record.seconds for record in epochs) + sum(record.seconds for record in fader_epochs)
    run.folder.write(
        FIT,
        {
            "spec": _SPEC.dump_python(spec, mode="json"),
            "minutes": seconds / 60,
            "device": str(device),
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
    scored = score_pictures(detector, load_pictures(run.dataset.calibrate, run.config.input))
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
        scored = score_pictures(detector, load_pictures(samples, run.config.input))
        parts += judge_parts(samples, scored, calibration, role)
        metrics = measure(samples, scored, calibration) if role == "test" else {}
    evaluation = Evaluation(tuple(parts), metrics)
    run.folder.write(SCORES, evaluation.to_json())
    return evaluation


def load_evaluation(run: Run) -> Evaluation:
    """The scores and figures that `evaluate` left in the run folder."""
    return _EVALUATION.validate_python(run.folder.read(SCORES, stage="evaluate"))


def publish(run: Run, detector: Detector, calibration: Calibration, evaluation: Evaluation) -> VersionRef:
    """A new active version of the product."""
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
    )


def _fit_reconstruction(
    run: Run, detector: Detector, pictures: Pictures, listener: Listener
) -> tuple[EpochRecord, ...]:
    config = run.config.fit
    listener.stage("reconstruction network", config.epochs)
    return fit_reconstruction(
        detector,
        pictures,
        config,
        seed=run.config.seed,
        checkpoint=run.folder.root,
        on_epoch=lambda record: listener.step(record.epoch + 1, f"loss {record.loss:.4f}"),
    )


def _fit_fader(run: Run, detector: Detector, pictures: Pictures, listener: Listener) -> tuple[FaderEpoch, ...]:
    config = run.config.fader
    if not config.enabled:
        return ()
    listener.stage("attenuator", config.epochs)
    return fit_fader(
        detector,
        pictures,
        config,
        seed=run.config.seed,
        checkpoint=run.folder.root,
        on_epoch=lambda record: listener.step(record.epoch + 1, f"rank correlation {record.rank_correlation:.3f}"),
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
    )


def _backbones(config: TrainConfig) -> BackboneStore:
    return BackboneStore(Registry(config.store).backbones_root)
