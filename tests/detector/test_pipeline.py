"""The joined detector: stateless, batch-invariant, explainable."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from detector.build import build_detector
from detector.pipeline import Detector, stack
from detector.spec import DetectorSpec, EvidenceSpec, FaderSpec, FeatureSpec, InputSpec, SaliencySpec, UNetSpec

CPU = torch.device("cpu")
FADER = FaderSpec(patch=8, hidden=4, levels=(0,))


def make_detector(fader: FaderSpec | None = FADER, skip_off: tuple[int, ...] = ()) -> Detector:
    torch.manual_seed(0)
    spec = DetectorSpec(
        input=InputSpec(height=64, width=48),
        mosaic_scale=4,
        unet=UNetSpec(widths=(8, 16, 16), skip_off=skip_off),
        fader=fader,
    )
    return build_detector(spec)


def make_pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 64, 48, generator=torch.Generator().manual_seed(1))


def test_a_score_does_not_depend_on_what_else_is_in_the_batch(record_property: Callable[[str, object], None]) -> None:
    detector, pictures = make_detector(), make_pictures(16)
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    together = torch.empty(16)
    together[order] = detector(pictures[order]).score
    delta = (alone - together).abs().max().item()
    record_property("max_abs_delta", delta)
    assert delta < 1e-6


def test_calling_it_twice_gives_the_same_bits() -> None:
    detector, pictures = make_detector(), make_pictures(2)
    assert torch.equal(detector(pictures).heatmap, detector(pictures).heatmap)


def test_shapes_and_dtypes_are_as_documented() -> None:
    anomaly = make_detector()(make_pictures(3))
    assert (anomaly.score.shape, anomaly.heatmap.shape) == ((3,), (3, 64, 48))
    assert anomaly.score.dtype == anomaly.heatmap.dtype == torch.float32


def test_explaining_a_picture_computes_the_same_score() -> None:
    detector, pictures = make_detector(), make_pictures(2)
    explanation, anomaly = detector.explain(pictures), detector(pictures)
    assert torch.equal(explanation.score, anomaly.score)
    assert torch.equal(explanation.heatmap, anomaly.heatmap)
    assert explanation.gate is not None
    assert explanation.gate.shape == (2, 1, 8, 6)


def test_where_features_alone_decide_nothing_is_reconstructed_but_for_an_explanation() -> None:
    evidence = EvidenceSpec(maps=("encoder",), encoder=FeatureSpec(levels=(0, 1), stride=8))
    spec = DetectorSpec(
        input=InputSpec(height=64, width=48), unet=UNetSpec(widths=(8, 16)), fader=None, evidence=evidence
    )
    detector, pictures = build_detector(spec), make_pictures(2)
    detector.unet.decoders.apply(lambda part: [weight.data.fill_(torch.nan) for weight in part.parameters()])
    assert torch.isfinite(detector(pictures).score).all()
    assert torch.isnan(detector.explain(pictures).reconstruction).all()


def test_a_detector_without_attenuator_has_no_gate() -> None:
    assert make_detector(fader=None).explain(make_pictures(1)).gate is None


def test_a_closed_attenuator_changes_the_reconstruction() -> None:
    detector, pictures = make_detector(), make_pictures(1)
    before = detector.explain(pictures).reconstruction
    assert detector.fader is not None
    detector.fader.mean.fill_(-1e3)  # everything looks far worse than good patches
    assert not torch.equal(detector.explain(pictures).reconstruction, before)


def test_a_skip_that_is_off_equals_a_gate_of_zeros() -> None:
    detector, pictures = make_detector(fader=None, skip_off=(0,)), make_pictures(1)
    explanation = detector.explain(pictures)
    with torch.no_grad():
        cut = detector.unet(explanation.hint, [torch.zeros(1, 1, 64, 48), None])
        kept = detector.unet(explanation.hint, detector.unet.open_gates())
    assert torch.equal(explanation.reconstruction, cut)
    assert not torch.equal(cut, kept)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_flat_picture_has_a_finite_score(level: int) -> None:
    flat = np.full((64, 48, 3), level, dtype=np.uint8)
    assert torch.isfinite(make_detector()(stack([flat], CPU)).score).all()


def test_nothing_hidden_means_that_the_network_sees_the_picture() -> None:
    torch.manual_seed(0)
    spec = DetectorSpec(
        input=InputSpec(height=32, width=32),
        saliency=SaliencySpec(kind="none"),
        unet=UNetSpec(widths=(4, 8)),
        fader=None,
    )
    pictures = torch.rand(1, 3, 32, 32)
    assert torch.equal(build_detector(spec).explain(pictures).hint, pictures)


def test_stacking_scales_bytes_to_0_and_1_and_keeps_the_channels_apart() -> None:
    picture = np.zeros((4, 5, 3), dtype=np.uint8)
    picture[1, 2] = (255, 51, 0)
    batch = stack([picture], CPU)
    assert batch.shape == (1, 3, 4, 5)
    torch.testing.assert_close(batch[0, :, 1, 2], torch.tensor([1.0, 0.2, 0.0]))
