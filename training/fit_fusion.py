"""How much each evidence map counts: weights chosen on synthetic defects in held-out good pictures.

In: a detector whose evidence statistics are fitted, held-out good pictures (N,H,W,3) uint8. Out: its fusion weights,
set in place. No label and no test picture is looked at. Refuses nothing: one picture is enough.

Forward selection: begin with the map that finds the synthetic defects best; another one joins, with the weight that
helps most, if it helps at all. A map that finds nothing would only add its noise (docs/method.md has the figures).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from detector.evidence.reduce import fuse, reduce_to_score
from detector.pipeline import Detector, stack
from detector.spec import EvidenceSpec
from training.crops import Views, take_views, window_evidence
from training.memory import Eye
from training.metrics import auroc
from training.rebuild import Pictures
from training.synthetic import damage

MOST = 64  # good pictures
SHARES = (0.1, 0.25, 0.5, 1.0)  # of the first map's weight, that another may have
TWINS = 3  # damaged copies of each: one draw ranked maps by chance
GAIN = 0.01  # of the objective, below which a map stays out: less is chance with a few dozen pictures
CELLS = 64  # a side of the map that pixels are compared on: sixteen times faster than 256, and smooth enough


@dataclass(frozen=True)
class Trial:
    """Standardised evidence of good pictures and of their damaged twins."""

    good: Tensor
    """(N,M,h,w)."""
    damaged: Tensor
    """(N,M,h,w)."""
    masks: npt.NDArray[np.bool_]
    """(N,h,w), true where most of a cell was changed."""
    window: int = CELLS
    """`evidence.window` in these cells."""


def fit_fusion(detector: Detector, held_out: Pictures, *, seed: int, eye: Eye | None = None) -> None:
    """Set `detector.evidence.weights`; leaves a rule without weights alone. `eye` looks in place of the detector."""
    if detector.spec.evidence.fuse == "weighted":
        weigh(detector, sit_trial(detector, held_out, seed=seed, eye=eye))


def weigh(detector: Detector, trial: Trial) -> None:
    """The same from a trial that the detector has sat already."""
    if detector.spec.evidence.fuse == "weighted":
        detector.evidence.weights.copy_(choose_weights(trial, detector.spec.evidence))


def drop_idle_maps(detector: Detector) -> None:
    """Evidence that counts for nothing is neither computed nor stored; its statistics go, in place."""
    evidence = detector.evidence
    kept = [place for place, weight in enumerate(evidence.weights.tolist()) if weight > 0]
    names = tuple(evidence.spec.maps[place] for place in kept)
    reads_backbone = "backbone" in names or detector.spec.saliency.kind in ("attention", "activation")
    detector.backbone = detector.backbone if reads_backbone else None
    detector.filters = detector.filters if "filters" in names else None
    detector.spec = replace(
        detector.spec,
        backbone=detector.spec.backbone if reads_backbone else None,
        evidence=replace(evidence.spec, maps=names),
    )
    detector.evidence = evidence.of(kept)


def choose_weights(trial: Trial, spec: EvidenceSpec) -> Tensor:
    """(M,), sum 1; `spec` says how a map becomes a score."""
    count = trial.good.shape[1]
    alone = [objective(trial, spec, _only(place, count)) for place in range(count)]
    order = sorted(range(count), key=lambda place: -alone[place])
    weights, best = _only(order[0], count), alone[order[0]]
    for place in order[1:]:
        offers = [weights + share * _only(place, count) for share in SHARES]
        marks = [objective(trial, spec, offer) for offer in offers]
        if max(marks) >= best + GAIN:
            weights, best = offers[int(np.argmax(marks))], max(marks)
    return weights / weights.sum()


def objective(trial: Trial, spec: EvidenceSpec, weights: Tensor) -> float:
    """Mean of image AUROC (damaged against good) and pixel AUROC (inside against outside), as in a search."""
    good, damaged = (fuse(maps, spec.fuse, weights) for maps in (trial.good, trial.damaged))
    scores = [
        reduce_to_score(maps, spec.reduce, top_fraction=spec.top_fraction, window=trial.window)
        for maps in (good, damaged)
    ]
    images = auroc(torch.cat(scores).numpy(), np.repeat([False, True], (len(good), len(damaged))))
    return (images + auroc(damaged.numpy().ravel(), trial.masks.ravel())) / 2


@torch.no_grad()
def sit_trial(detector: Detector, held_out: Pictures, *, seed: int, eye: Eye | None = None) -> Trial:
    """The evidence of `MOST` good pictures at most and of their damaged twins, the same for every detector; with tiles
    of as many windows."""
    views = take_views(
        held_out[:MOST] if detector.spec.tiles is None else held_out, detector.spec.tiles, MOST, seed=seed
    )
    pictures = stack(list(views.pictures), torch.device("cpu"))
    twins = [damage(pictures, pictures, seed=TWINS * seed + twin) for twin in range(TWINS)]
    levels = torch.cat([twin.pictures for twin in twins]).mul(255).round() / 255  # what a camera could have sent
    covered = _cells(torch.cat([twin.masks for twin in twins]))[:, 0]
    masks = covered > 0.5
    if not masks.any():  # every defect was smaller than a cell
        masks = covered > 0
    window = max(1, detector.spec.evidence.window * masks.shape[-1] // pictures.shape[-1])
    look = _looker(detector, views, eye or detector)
    return Trial(look(pictures), look(levels), masks.numpy(), window)


def _only(place: int, count: int) -> Tensor:
    return F.one_hot(torch.tensor(place), count).float()


def _looker(detector: Detector, views: Views, eye: Eye) -> Callable[[Tensor], Tensor]:
    """Pictures, or windows at all the places once or several times over → their evidence."""
    places, masks = views.places, views.masks(detector)
    if places is None or masks is None:
        return lambda pictures: _evidence(detector, pictures, eye)
    device = next(detector.unet.parameters()).device

    def look(pictures: Tensor) -> Tensor:
        seen = [
            _cells(window_evidence(detector, places[row], pictures[row :: len(places)].to(device), mask.to(device)))
            for row, mask in enumerate(torch.split(masks, 1))
        ]
        return torch.stack(seen, dim=1).flatten(0, 1).cpu()

    return look


def _evidence(detector: Detector, pictures: Tensor, eye: Eye) -> Tensor:
    device = next(detector.unet.parameters()).device
    parts: Sequence[Tensor] = [
        _cells(detector.evidence.standardiser(eye.raw_evidence(batch.to(device)))).cpu()
        for batch in torch.split(pictures, 16)
    ]
    return torch.cat(list(parts))


def _cells(maps: Tensor) -> Tensor:
    height, width = maps.shape[-2:]
    return F.adaptive_avg_pool2d(maps, (min(CELLS, height), min(CELLS, width)))
