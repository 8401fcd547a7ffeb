"""How much memory the statistics of good parts take, and what is done where that is too much.

In: a spec, before anything is allocated for it. Out: the spec, pooled if need be. Refuses: statistics per location that
were asked for and are too large (`StatisticsTooLarge`, which says what would fit).
"""

import math
from dataclasses import replace

from detector.backbone import Backbone
from detector.build import statistics_bytes
from detector.spec import FEATURES, DetectorSpec, Standardise, Statistics
from training.errors import StatisticsTooLarge

MOST_BYTES = 512 << 20
"""In the artifact and in every worker; a fit takes four times as much. At 1024x1024 px the defaults come to 328 MB."""


def settle_statistics(spec: DetectorSpec, backbone: Backbone | None, *, auto: bool) -> DetectorSpec:
    """The spec as it is, where it fits; else pooled if that is left to us (`auto`)."""
    if not is_too_large(spec, backbone):
        return spec
    if auto:
        return with_statistics(spec, "pooled")
    raise StatisticsTooLarge(_advice(spec, statistics_bytes(spec, backbone)))


def is_too_large(spec: DetectorSpec, backbone: Backbone | None) -> bool:
    """Whether the statistics of `spec` take more than `MOST_BYTES`."""
    return statistics_bytes(spec, backbone) > MOST_BYTES


def with_statistics(spec: DetectorSpec, kind: Statistics) -> DetectorSpec:
    """The same detector with statistics of one kind; raw residuals stay raw, and are pooled where features are near."""
    evidence = spec.evidence
    residuals: Standardise = "per-location" if kind == "per-location" else "pooled"
    told = replace(
        evidence,
        encoder=replace(evidence.encoder, statistics=kind),
        filters=replace(evidence.filters, statistics=kind),
        backbone=replace(evidence.backbone, statistics=kind),
        standardise="none" if evidence.standardise == "none" else residuals,
    )
    return replace(spec, evidence=told)


def _advice(spec: DetectorSpec, needed: int) -> str:
    features = [getattr(spec.evidence, name) for name in FEATURES if name in spec.evidence.maps]
    fits = math.sqrt(MOST_BYTES / needed)  # dimensions count squared
    fewer = " and ".join(f"{each.dimensions} to {int(each.dimensions * fits)}" for each in features)
    return (
        f"statistics of every place of {spec.input.width}x{spec.input.height} px would make a version of "
        f"{needed / 1e6:.0f} MB, and a fit takes four times as much; at most {MOST_BYTES / 1e6:.0f} MB are allowed: "
        f"say statistics=auto, which pools them, take fewer dimensions (from {fewer or 'none'}), or a coarser stride"
    )
