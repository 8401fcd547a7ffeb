"""A product's pictures → one HTML page that shows what is odd about them, before anything is trained on them.

In: a dataset, its configuration, the store's backbones. Out: the page: errors and warnings, copies, exposures, good
pictures that may not be good, with thumbnails. Refuses: a folder without a good picture (`DatasetError`). Nothing is
moved or deleted: a person decides.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from detector.heatmap import HeatmapScale, overlay
from detector.image_health import measure
from model_store.backbones import BackboneStore
from training.charts import Chart, brightness_chart, suspicion_chart
from training.config import TrainConfig
from training.data import Dataset, Sample, load_pictures
from training.dataset_lint import OUTLIER_SIGMAS, Findings, Look, exposed_unlike, lint
from training.near_copies import Pictures, find_near_copies
from training.page import data_uri, render
from training.suspects import OUTLIER, See, Suspicion, see_backbone, see_plain, suspect

PAGE = "dataset.html"
THUMBNAIL = 176  # px
QUALITY = 80
MOST = 24  # groups, or pictures, of one kind that are drawn, also where none is suspected; all are counted
IN_GROUP = 8  # pictures of one group that are drawn
FEWEST = 10  # good pictures, below which nothing is said of suspects
ODD_CELLS = 0.001
"""Share of all cells of all good pictures that are as orange as this, or more: one scale for the whole page."""


@dataclass(frozen=True)
class Thumb:
    """One picture, and what is to be said of it."""

    uri: str
    path: str
    note: str
    marked: bool = False
    map_uri: str | None = None


@dataclass(frozen=True)
class Group:
    """Pictures that belong together."""

    title: str
    thumbs: list[Thumb]


@dataclass(frozen=True)
class Written:
    """The page, and what it has found."""

    path: Path
    errors: tuple[str, ...]
    copies: int
    exposures: int
    suspects: int


def write_dataset_page(dataset: Dataset, config: TrainConfig, out: Path) -> Written:
    """Look at every picture that can be read, and write the page; errors are on it, too."""
    found = lint(dataset, config)
    looks = [look for look in found.looks if look.error is None]
    pictures = load_pictures([look.sample for look in looks], config.input)
    tests = {sample.path for sample in dataset.test}
    good = [place for place, look in enumerate(looks) if look.sample.path not in tests]
    copies = _copies(looks, pictures, frozenset(good))
    exposed = exposed_unlike([looks[place] for place in good])
    families = {place: places[0] for places in copies for place in places}
    seen_by, suspicions = _suspect(pictures, good, [families.get(place, place) for place in good], config)
    strange = sorted(suspicions, key=lambda place: -suspicions[place].z)
    suspects, scale = sum(each.is_suspect for each in suspicions.values()), _scale(suspicions)
    page = render(
        PAGE,
        product=config.product,
        written=datetime.now(UTC),
        facts=_facts(dataset, found, config, seen_by),
        errors=found.errors,
        warnings=found.warnings,
        copies=[_group(looks, pictures, each, frozenset(good)) for each in copies[:MOST]],
        copies_count=len(copies),
        exposed=[_exposed(each, pictures[looks.index(each)]) for each in exposed[:MOST]],
        exposed_count=len(exposed),
        sigmas=OUTLIER_SIGMAS,
        brightness=brightness_chart([looks[place].brightness for place in good], [look.brightness for look in exposed]),
        suspects=[_strange(looks[place].sample, pictures[place], suspicions[place], scale) for place in strange[:MOST]],
        suspects_count=suspects,
        suspicion=_suspicion_chart(suspicions),
        outlier=OUTLIER,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, "utf-8")
    return Written(out, found.errors, len(copies), len(exposed), suspects)


def _facts(dataset: Dataset, found: Findings, config: TrainConfig, seen_by: str) -> dict[str, str]:
    sizes = {look.size for look in found.looks if look.error is None}
    told = [f"{width}×{height}" for width, height in sorted(sizes)[:3]]
    kinds = sorted({sample.label for sample in dataset.test if sample.is_defective})
    return {
        "From": str(dataset.root),
        "Pictures": ", ".join(f"{len(part)} {role.replace('_', ' ')}" for role, part in dataset.roles.items()),
        "Kinds of defect": ", ".join(kinds) or "none",
        "Sizes": ", ".join(told) + (f" and {len(sizes) - 3} more" if len(sizes) > 3 else ""),
        "Looked at as": f"{config.input.width}×{config.input.height} px",
        "Features": seen_by,
        "Data digest": dataset.digest,
    }


def _copies(looks: Sequence[Look], pictures: Pictures, good: frozenset[int]) -> list[tuple[int, ...]]:
    """Places of pictures that are the same, or nearly: on both sides first, then same files, then by likeness."""
    by_digest = defaultdict(list)
    for place, look in enumerate(looks):
        by_digest[look.sample.digest].append(place)
    firsts = [places[0] for places in by_digest.values()]
    near = find_near_copies(pictures[firsts]) if len(firsts) > 1 else []
    groups = [[firsts[place] for place in group.places] for group in near]
    joined = {first for group in groups for first in group}
    same = [places for places in by_digest.values() if len(places) > 1 and places[0] not in joined]
    whole = [tuple(place for first in group for place in by_digest[looks[first].sample.digest]) for group in groups]
    return sorted([*map(tuple, same), *whole], key=lambda places: len({place in good for place in places}) == 1)


def _group(looks: Sequence[Look], pictures: Pictures, places: Sequence[int], good: frozenset[int]) -> Group:
    samples = [looks[place].sample for place in places]
    same = len({sample.digest for sample in samples}) == 1
    sides = {place in good for place in places}
    labels = {sample.label for sample in samples}
    title = f"{'the same file' if same else 'nearly the same'}, {len(places)} times"
    title += "; on both sides: training and test" if len(sides) > 1 else ""
    title += f"; under different labels: {', '.join(sorted(labels))}" if len(labels) > 1 else ""
    thumbs = []
    for place in places[:IN_GROUP]:
        sample = looks[place].sample
        thumbs.append(_thumb(sample, pictures[place], sample.label if place in good else f"test, {sample.label}"))
    return Group(title, thumbs)


def _suspect(
    pictures: Pictures, good: Sequence[int], families: Sequence[int], config: TrainConfig
) -> tuple[str, dict[int, Suspicion]]:
    """What the features were, and place → suspicion of each good picture; copies are of one family."""
    features = config.evidence.backbone
    backbones = BackboneStore(config.store / "backbones")
    spec = backbones.default() if config.backbone is None else backbones.find(config.backbone)
    see: See = see_plain(config.input, features)
    seen_by = "colours and gradients: there is no backbone in the store"
    if spec is not None:
        see = see_backbone(spec, backbones.load(spec.digest), config.input, features)
        seen_by = f"{spec.name} (sha256 {spec.digest[:12]}…)"
    if len(good) < FEWEST:
        return seen_by, {}
    numbers = {family: number for number, family in enumerate(dict.fromkeys(families))}
    found = suspect(pictures[good], [numbers[family] for family in families], see, features)
    return seen_by, dict(zip(good, found, strict=True))


def _suspicion_chart(suspicions: dict[int, Suspicion]) -> Chart | None:
    return suspicion_chart([each.z for each in suspicions.values()], OUTLIER) if suspicions else None


def _exposed(look: Look, pixels: Pictures) -> Thumb:
    share = measure(Image.fromarray(pixels)).saturated_share
    return _thumb(look.sample, pixels, f"mean {look.brightness:.0f} of 255, {share:.1%} clipped")


def _scale(suspicions: dict[int, Suspicion]) -> HeatmapScale:
    """Nothing is drawn half way to where only ODD_CELLS are."""
    cells = np.concatenate([each.map.ravel() for each in suspicions.values()] or [np.ones(1, np.float32)])
    low, odd = float(np.median(cells)), float(np.quantile(cells, 1 - ODD_CELLS))
    return HeatmapScale(low, max(odd, low + 1e-3), low + 2 * max(odd - low, 1e-3))


def _strange(sample: Sample, pixels: Pictures, suspicion: Suspicion, scale: HeatmapScale) -> Thumb:
    drawn = data_uri(overlay(pixels, suspicion.map, scale), largest_side=THUMBNAIL, quality=QUALITY)
    thumb = _thumb(sample, pixels, f"score {suspicion.score:.2f}, {suspicion.z:+.1f} deviations")
    return Thumb(thumb.uri, thumb.path, thumb.note, suspicion.is_suspect, drawn)


def _thumb(sample: Sample, pixels: Pictures, note: str) -> Thumb:
    uri = data_uri(np.asarray(pixels), largest_side=THUMBNAIL, quality=QUALITY)
    return Thumb(uri, str(sample.path), note)
