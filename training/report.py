"""A finished run → one HTML file that a process engineer reads, mails and prints.

In: what the stages left in the run folder, its pictures, the fitted detector. Out: `<runs>/<product>/report.html`: no
network, no script, no other file. Refuses: a stage that has not been run, or was run with other thresholds
(`StageMissing`). That the pictures are still the fit's, `training.run` checks before there is a `Run`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detector.calibration import Calibration
from detector.engine import as_served
from detector.heatmap import HeatmapScale
from detector.pipeline import Detector
from detector.spec import FEATURES, DetectorSpec
from detector.verdict import judge
from training.charts import Chart, attenuator_chart, histogram, loss_chart, roc_chart
from training.data import GOOD
from training.errors import StageMissing
from training.evaluate import Evaluation
from training.fit import EpochRecord
from training.fit_fader import FaderEpoch
from training.gallery import MOST_KINDS, Case, choose_cases, draw_case
from training.page import render
from training.plain_words import KINDS_IN_WORDS, figures, kinds, outcome
from training.run import DATASET, FIT, Run, load_calibration, load_evaluation

REPORT = "report.html"
WIDE = 1.5  # width / height from which four pictures stand side by side, not eight


def write_report(run: Run, detector: Detector) -> Path:
    """Replace the run's report; `detector` is the fitted one, which draws the gallery again."""
    calibration, evaluation = load_calibration(run), load_evaluation(run)
    _check_inputs(calibration, evaluation)
    page = render(
        REPORT,
        {"outcome": outcome},
        product=run.config.product,
        written=datetime.now(UTC),
        facts=_facts(run, detector, calibration),
        warnings=_warnings(run),
        figures=figures(evaluation, calibration),
        kinds=kinds(evaluation.parts),
        score_charts=_score_charts(evaluation, calibration),
        loss_charts=_loss_charts(run),
        cases=_cases(run, detector, calibration, evaluation),
        wide=detector.spec.input.width > WIDE * detector.spec.input.height,
        most_kinds=MOST_KINDS,
        scale=HeatmapScale.of(calibration),
        settings=dict(_flat(run.config.model_dump(mode="json"))),
    )
    return run.folder.write_text(REPORT, page)


def _check_inputs(calibration: Calibration, evaluation: Evaluation) -> None:
    """A report that mixes two states of a run would be believed."""
    if any(part.verdict != judge(part.score, calibration).verdict for part in evaluation.parts):
        raise StageMissing("the thresholds were set again after the scores; run `python -m training evaluate` first")


def _facts(run: Run, detector: Detector, calibration: Calibration) -> dict[str, str]:
    """Name → what a reader needs to know before any figure."""
    fitted, spec = run.folder.read(FIT, stage="fit"), detector.spec
    none = f"none: weight-free {spec.saliency.kind} saliency"
    hidden = "removed" if spec.saliency.hide_as == "removed" else f"as mosaic tiles of {spec.mosaic_scale} px"
    return {
        "Saliency": spec.saliency.kind,
        "Backbone": none if spec.backbone is None else f"{spec.backbone.name} (sha256 {spec.backbone.digest[:12]}…)",
        "Pictures": ", ".join(f"{len(part)} {role.replace('_', ' ')}" for role, part in run.dataset.roles.items()),
        "From": str(run.dataset.root),
        "Data digest": run.dataset.digest,
        "Training": f"{fitted['minutes']:.1f} minutes on {fitted['device']}, seed {run.config.seed}",
        "Detector": f"{spec.input.width}×{spec.input.height} px, hidden places {hidden}",
        "Parts": _place(spec, fitted.get("alignment_gain"), fitted.get("turn_gain")),
        "Statistics": _kinds(spec, fitted.get("statistics_marks") or {}),
        "Thresholds": f"ng above {calibration.ng_above:.6g}, review above {calibration.review_above:.6g}",
        "Promise": f"at most {calibration.promise:.1%} of good parts rejected, about {calibration.review_rate:.1%} to "
        f"review; set on {len(calibration.scores)} good pictures",
    }


def _place(spec: DetectorSpec, gain: float | None, turn_gain: float | None) -> str:
    """Whether parts are moved and turned, and the figures that decided it, where some did."""
    align = spec.align
    taken = "taken as they lie" if align is None else f"moved into place, by up to {align.reach} px"
    turned = f", and turned by up to {align.turn:g}°" if align is not None and align.turn else ""
    moved = "" if gain is None else f"; moved ones differ by {gain:.0%} less from the mean good part"
    again = "" if turn_gain is None else f"; turned ones by {turn_gain:.0%} less than without a turn"
    return taken + turned + moved + again


def _kinds(spec: DetectorSpec, marks: Mapping[str, float]) -> str:
    """Of which kind, for the evidence that there is, and the marks that decided it, where they did."""
    evidence = spec.evidence
    kinds: dict[str, str] = {
        source: KINDS_IN_WORDS[getattr(evidence, source).statistics] for source in FEATURES if source in evidence.maps
    }
    if evidence.residuals:
        kinds["residuals"] = KINDS_IN_WORDS[evidence.standardise]
    told = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    return "; AUROC on synthetic defects: ".join(
        filter(None, (told, ", ".join(f"{k} {m:.2f}" for k, m in marks.items())))
    )


def _warnings(run: Run) -> list[str] | None:
    """What the dataset check warned of; None for a run of a program that did not record it."""
    if not (run.folder.root / DATASET).exists():
        return None
    return [str(warning) for warning in run.folder.read(DATASET, stage="fit")["warnings"]]


def _score_charts(evaluation: Evaluation, calibration: Calibration) -> list[Chart]:
    """Histogram and ROC of the test pictures; a plain folder has only the histogram, of the calibration pictures."""
    role = "test" if any(part.role == "test" for part in evaluation.parts) else "calibrate"
    parts = [part for part in evaluation.parts if part.role == role]
    good = np.array([part.score for part in parts if part.label == GOOD], float)
    defective = np.array([part.score for part in parts if part.label != GOOD], float)
    charts = [histogram(good, defective, calibration)]
    return [*charts, roc_chart(good, defective, calibration)] if len(good) and len(defective) else charts


def _loss_charts(run: Run) -> list[Chart]:
    fitted = run.folder.read(FIT, stage="fit")
    charts = [loss_chart([EpochRecord(**record) for record in fitted["epochs"]])]
    attenuator = [FaderEpoch(**record) for record in fitted["fader_epochs"]]
    return [*charts, attenuator_chart(attenuator)] if attenuator else charts


def _cases(run: Run, detector: Detector, calibration: Calibration, evaluation: Evaluation) -> list[Case]:
    samples = {str(sample.path): sample for part in run.dataset.roles.values() for sample in part}
    scale = HeatmapScale.of(calibration)
    served = as_served(detector)  # what gave the scores, and large pictures take it half as long
    return [draw_case(case, samples[case.part.path], served, scale) for case in choose_cases(evaluation.parts)]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`a.b` and its value for every leaf, as `--set` spells them."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
