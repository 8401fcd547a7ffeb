"""Large pictures in tiles: what is put together is what a whole picture would have given."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from detector.backbone import create_network
from detector.build import build_detector
from detector.errors import SpecError
from detector.evidence.reduce import reduce_to_score
from detector.pipeline import Detector
from detector.spec import (
    AlignSpec,
    BackboneSpec,
    DetectorSpec,
    EvidenceSpec,
    FaderSpec,
    FeatureSpec,
    FilterSpec,
    InputSpec,
    PadType,
    Reduce,
    SaliencySpec,
    TileSpec,
    UNetSpec,
)
from detector.tiles import in_tiles, spans

ENCODER = FeatureSpec(levels=(0, 1, 2), stride=8, dimensions=10, surround=9, statistics="pooled")
SPEC = DetectorSpec(
    input=InputSpec(height=288, width=224),
    mosaic_scale=4,
    unet=UNetSpec(widths=(4, 8, 8)),
    fader=FaderSpec(patch=8, hidden=4, levels=(0,)),
    evidence=EvidenceSpec(
        maps=("msgms", "l1", "ssim", "encoder"),
        encoder=ENCODER,
        standardise="pooled",
        reduce="window-top-mean",
        window=64,
    ),
)
DEEP = EvidenceSpec(maps=("filters",), filters=FilterSpec(levels=(5,)))
FIELD = 32  # px that a feature or a residual of SPEC looks to each side, at most
BOUND = 1e-6  # of the map, in units of the score


def make_detector(tiles: TileSpec | None) -> Detector:
    torch.manual_seed(0)
    return build_detector(replace(SPEC, tiles=tiles))


def make_pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 288, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("side", [64, 96, 128])
def test_the_map_in_tiles_is_that_of_the_whole_picture(side: int) -> None:
    pictures = make_pictures(2)
    whole, tiled = make_detector(None)(pictures), make_detector(TileSpec(side=side, overlap=FIELD))(pictures)
    assert (whole.heatmap - tiled.heatmap).abs().max() < BOUND
    assert (whole.score - tiled.score).abs().max() < BOUND


def test_filters_in_tiles_see_what_they_see_of_the_whole_picture() -> None:
    filters = FilterSpec(levels=(0, 1, 2), orientations=2, stride=8, statistics="pooled")
    spec = replace(SPEC, evidence=replace(SPEC.evidence, maps=("filters",), filters=filters))
    tiled = replace(spec, tiles=TileSpec(side=96, overlap=64))
    whole, parts = (build_detector(each)(make_pictures(1)).heatmap for each in (spec, tiled))
    assert (whole - parts).abs().max() < BOUND


@pytest.mark.parametrize("pad_type", ["", "same"])
def test_what_a_backbone_sees_in_tiles_is_what_it_sees_of_the_whole(pad_type: PadType) -> None:
    torch.manual_seed(0)
    weights = create_network("mobilenetv2_050", pad_type).state_dict()
    spec = DetectorSpec(
        input=InputSpec(height=640, width=416),
        backbone=BackboneSpec(
            name="mobilenetv2_050", digest="0" * 64, mean=(0.5,) * 3, std=(0.5,) * 3, pad_type=pad_type
        ),
        fader=None,
        evidence=EvidenceSpec(maps=("backbone",), backbone=replace(ENCODER, levels=(1, 2, 3)), standardise="pooled"),
    )
    pictures = torch.rand(1, 3, 640, 416)
    whole = build_detector(spec, weights).feature_grid(pictures, "backbone")
    tiled = build_detector(replace(spec, tiles=TileSpec(side=224, overlap=160)), weights)
    torch.testing.assert_close(tiled.feature_grid(pictures, "backbone"), whole, atol=1e-5, rtol=1e-5)


def test_a_backbone_whose_cells_do_not_meet_the_grid_is_refused() -> None:
    backbone = BackboneSpec(name="mobilenetv2_050", digest="0" * 64, mean=(0.5,) * 3, std=(0.5,) * 3)
    spec = replace(
        SPEC, input=InputSpec(height=648, width=416), backbone=backbone, tiles=TileSpec(side=224, overlap=160),
        evidence=replace(SPEC.evidence, maps=("backbone",), backbone=replace(ENCODER, levels=(1, 2, 3))),
    )  # fmt: skip
    with pytest.raises(SpecError, match="cells of 16 px"):
        build_detector(spec, create_network("mobilenetv2_050", "").state_dict())


def test_without_an_overlap_seams_would_show() -> None:
    pictures = make_pictures(1)
    whole, tiled = make_detector(None)(pictures), make_detector(TileSpec(side=64, overlap=0))(pictures)
    assert (whole.heatmap - tiled.heatmap).abs().max() > 100 * BOUND


def test_the_reconstruction_in_tiles_is_that_of_the_whole_picture() -> None:
    pictures = make_pictures(1)
    whole, tiled = (make_detector(tiles).explain(pictures) for tiles in (None, TileSpec(side=64, overlap=FIELD)))
    torch.testing.assert_close(tiled.reconstruction, whole.reconstruction, atol=BOUND, rtol=0)


def test_in_tiles_too_a_score_does_not_depend_on_what_else_is_in_the_batch() -> None:
    detector, pictures = make_detector(TileSpec(side=96, overlap=32)), make_pictures(4)
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    assert (detector(pictures).score - alone).abs().max() < BOUND


def test_a_constant_map_stays_constant() -> None:
    pictures = torch.zeros(1, 3, 288, 224)
    maps = in_tiles(
        TileSpec(side=96, overlap=32),
        lambda seen: [
            seen.new_full((1, 1, *seen.shape[-2:]), 7.0),
            seen.new_full((1, 2, seen.shape[-2] // 8, seen.shape[-1] // 8), 3.0),
        ],
        pictures,
    )
    assert torch.equal(maps[0], torch.full((1, 1, 288, 224), 7.0))
    assert torch.equal(maps[1], torch.full((1, 2, 36, 28), 3.0))


@pytest.mark.parametrize("length", [32, 224, 2048, 2448, 5472])
def test_tiles_meet_without_a_gap_and_all_see_equally_much(length: int) -> None:
    found = spans(length, TileSpec(side=512, overlap=96))
    edges = [edge for span in found for edge in (span.own.start, span.own.stop)]
    assert edges[0] == 0
    assert edges[-1] == length
    assert edges[1:-1:2] == edges[2::2]
    assert len({span.seen.stop - span.seen.start for span in found}) == 1
    for span in found:
        assert max(0, span.own.start - 96) >= span.seen.start >= 0
        assert min(length, span.own.stop + 96) <= span.seen.stop <= length


def test_cells_that_do_not_meet_the_grid_are_refused() -> None:
    with pytest.raises(SpecError, match="do not meet"):
        in_tiles(TileSpec(side=64, overlap=32), lambda seen: [seen[..., ::7, ::7]], torch.zeros(1, 3, 288, 224))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"saliency": SaliencySpec(kind="disjoint")}, "saliency.kind must be one of"),
        ({"align": AlignSpec(reach=4)}, "not aligned"),
        ({"unet": UNetSpec(widths=(4,) * 7), "input": InputSpec(height=256, width=256)}, "must divide 32 px"),
        ({"evidence": replace(SPEC.evidence, encoder=replace(ENCODER, stride=12))}, "cells of 12 px"),
        ({"evidence": DEEP, "input": InputSpec(height=272, width=224)}, "cells of 32 px"),
        ({"input": InputSpec(height=284, width=224), "fader": None}, "cells of 8 px"),
    ],
)
def test_what_does_not_go_with_tiles_is_refused(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        replace(SPEC, tiles=TileSpec(), **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"side": 100}, {"side": 0}, {"overlap": 20}, {"overlap": 2048}])
def test_impossible_tiles_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SpecError, match="tiles"):
        TileSpec(**wrong)


def test_large_pictures_are_not_seen_together() -> None:
    assert replace(SPEC, tiles=TileSpec()).sight is None


def test_the_highest_window_is_the_highest_of_all_windows() -> None:
    anomaly_map = torch.randn(150, 90, generator=torch.Generator().manual_seed(0))
    windows = [
        anomaly_map[top : top + 32, left : left + 32].flatten().sort(descending=True).values[:51].mean()
        for top in (*range(0, 118, 16), 118)
        for left in (*range(0, 58, 16), 58)
    ]
    score = reduce_to_score(anomaly_map[None], "window-top-mean", top_fraction=0.05, window=32)
    assert score.item() == pytest.approx(max(windows).item(), abs=1e-6)


def test_a_small_defect_drowns_in_a_large_picture_but_in_no_window() -> None:
    anomaly_map = torch.randn(1, 1024, 1024, generator=torch.Generator().manual_seed(0))
    damaged = anomaly_map.clone()
    damaged[0, 500:512, 300:312] += 6

    def rise(rule: Reduce) -> float:
        before, after = (
            reduce_to_score(each, rule, top_fraction=0.01, window=128).item() for each in (anomaly_map, damaged)
        )
        return after - before

    assert rise("top-mean") < 0.1
    assert rise("window-top-mean") > 1


def test_a_window_as_large_as_the_picture_is_the_picture() -> None:
    maps = torch.randn(2, 40, 30)
    window, picture = (
        reduce_to_score(maps, rule, top_fraction=0.1, window=64) for rule in ("window-top-mean", "top-mean")
    )
    assert torch.equal(window, picture)


@pytest.mark.parametrize("statistics", ["pooled", "per-location"])
def test_statistics_of_a_window_are_those_of_its_place(statistics: str) -> None:
    evidence = replace(
        SPEC.evidence,
        maps=("l1", "encoder"),
        encoder=replace(ENCODER, surround=0, statistics=statistics),  # type: ignore[arg-type]
        standardise=statistics,  # type: ignore[arg-type]
        smooth=1,
    )
    detector = build_detector(replace(SPEC, evidence=evidence))
    random = torch.Generator().manual_seed(0)
    for buffer in (*detector.evidence.fields["encoder"].buffers(), detector.evidence.standardiser.mean):
        buffer.copy_(torch.rand(buffer.shape, generator=random))
    whole = detector.evidence
    part = whole.inside(slice(64, 128), slice(32, 96))
    grid = torch.rand(1, 20, 36, 28, generator=random)
    maps = torch.rand(1, 2, 288, 224, generator=random)
    expected = whole.fields["encoder"](grid)[:, 8:16, 4:12]
    np.testing.assert_allclose(part.fields["encoder"](grid[:, :, 8:16, 4:12]).detach(), expected.detach(), atol=1e-5)
    torch.testing.assert_close(
        part.standardiser(maps[..., 64:128, 32:96]), whole.standardiser(maps)[..., 64:128, 32:96]
    )
