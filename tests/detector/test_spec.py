"""A spec refuses, when it is made, what no detector can be built from."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from detector.errors import SpecError
from detector.spec import (
    AlignSpec,
    DetectorSpec,
    DisjointSpec,
    EvidenceSpec,
    FaderSpec,
    InputSpec,
    SaliencySpec,
    UNetSpec,
)


@pytest.mark.parametrize(
    ("part", "wrong", "reason"),
    [
        (InputSpec, {"height": 31}, "32 to 8192"),
        (InputSpec, {"width": 8193}, "32 to 8192"),
        (InputSpec, {"jpeg_scale_margin": -1}, "jpeg_scale_margin"),
        (InputSpec, {"jpeg_scale_margin": 9}, "jpeg_scale_margin"),
        (UNetSpec, {"widths": (8,)}, "widths"),
        (UNetSpec, {"widths": (8, 0)}, "widths"),
        (UNetSpec, {"widths": (8,) * 8}, "widths"),
        (UNetSpec, {"widths": (4, 8, 8), "skip_off": (2,)}, "skip_off"),
        (DisjointSpec, {"cells": ()}, "cells"),
        (DisjointSpec, {"cells": (2, 2)}, "cells"),
        (DisjointSpec, {"cells": (0, 2)}, "cells"),
        (DisjointSpec, {"sets": 1}, "sets"),
        (DisjointSpec, {"sets": 9}, "sets"),
        (DisjointSpec, {"seed": -1}, "seed"),
        (AlignSpec, {"reach": 0}, "reach"),
        (AlignSpec, {"reach": 257}, "reach"),
        (AlignSpec, {"turn": -1.0}, "turn"),
        (AlignSpec, {"turn": 181.0}, "turn"),
        (AlignSpec, {"turn": float("nan")}, "turn"),
        (AlignSpec, {"stretch": 0.0}, "stretch"),
        (DetectorSpec, {"align": AlignSpec(reach=65)}, "quarter"),
        (FaderSpec, {"patch": 1}, "patch"),
        (FaderSpec, {"hidden": 0}, "hidden"),
        (EvidenceSpec, {"maps": ()}, "maps"),
        (EvidenceSpec, {"maps": ("l1", "l1")}, "maps"),
        (EvidenceSpec, {"smooth": 4}, "smooth"),
        (EvidenceSpec, {"smooth": 0}, "smooth"),
        (EvidenceSpec, {"msgms_scales": 6}, "msgms_scales"),
        (EvidenceSpec, {"top_fraction": 0.0}, "top_fraction"),
        (EvidenceSpec, {"top_fraction": 1.1}, "top_fraction"),
        (EvidenceSpec, {"window": 0}, "window"),
        (DetectorSpec, {"input": InputSpec(height=100)}, "stride"),
        (DetectorSpec, {"mosaic_scale": 0}, "mosaic_scale"),
        (DetectorSpec, {"mosaic_scale": 257}, "mosaic_scale"),
        (DetectorSpec, {"saliency": SaliencySpec(kind="attention")}, "needs a backbone"),
        (DetectorSpec, {"saliency": SaliencySpec(kind="activation")}, "needs a backbone"),
        (
            DetectorSpec,
            {"saliency": SaliencySpec(kind="disjoint", disjoint=DisjointSpec(cells=(200,)))},
            "at most half",
        ),
        (DetectorSpec, {"fader": FaderSpec(levels=(3,))}, "levels must be 0 to 2"),
        (DetectorSpec, {"fader": FaderSpec(levels=(-1,))}, "levels must be 0 to 2"),
        (DetectorSpec, {"fader": FaderSpec(patch=24)}, "must divide"),
    ],
)
def test_an_impossible_part_is_refused(part: Callable[..., Any], wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        part(**wrong)


def test_the_smallest_spec_of_the_tests_is_accepted() -> None:
    spec = DetectorSpec(
        input=InputSpec(height=32, width=32),
        mosaic_scale=4,
        unet=UNetSpec(widths=(4, 8)),
        fader=FaderSpec(patch=8, hidden=4, levels=(0,)),
    )
    assert spec.unet.stride == 2


def test_stride_halves_once_per_level() -> None:
    assert UNetSpec(widths=(4, 8, 16, 32)).stride == 8


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DetectorSpec().mosaic_scale = 2  # type: ignore[misc]


def test_reading_a_spec_imports_no_torch() -> None:
    program = "import sys, detector.spec, detector.calibration, detector.verdict; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
