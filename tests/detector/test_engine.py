"""Engines: the same scores, by fewer and faster steps."""

import os
import runpy
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from detector import graph
from detector.build import build_detector, detector_weights
from detector.engine import ROUNDING, arrange, as_served, fold_batch_norms
from detector.pipeline import Detector, EngineName, TorchEngine
from detector.spec import BackboneSpec, DetectorSpec, EvidenceMap, EvidenceSpec, FaderSpec, InputSpec, UNetSpec
from training.export_graph import export_graph, on_graph

MOBILENET = BackboneSpec(name="mobilenetv2_050", digest="0" * 64, mean=(0.5,) * 3, std=(0.5,) * 3)
EVIDENCE: tuple[tuple[EvidenceMap, ...], ...] = (("msgms", "l1", "encoder"), ("backbone",))
ENGINES: tuple[TorchEngine, ...] = ("reference", "folded")
CASES: list[tuple[EngineName, tuple[EvidenceMap, ...]]] = [*product(ENGINES, EVIDENCE), ("onnx", EVIDENCE[1])]


def used_batch_norms(network: nn.Module) -> nn.Module:
    """`network` as if it had been trained: what its batch norms do is not nothing."""
    random = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            for values in (norm.running_mean, norm.bias.data):
                values.copy_(0.2 * torch.randn(values.shape, generator=random))
            for values in (norm.running_var, norm.weight.data):
                values.copy_(0.5 + torch.rand(values.shape, generator=random))
    return network.eval()


def make_detector(maps: tuple[EvidenceMap, ...]) -> Detector:
    torch.manual_seed(0)
    spec = DetectorSpec(
        input=InputSpec(height=64, width=96),
        backbone=MOBILENET,
        unet=UNetSpec(widths=(8, 16, 16, 16)),
        fader=FaderSpec(patch=8, hidden=4, levels=(0,)),
        evidence=EvidenceSpec(maps=maps),
    )
    detector = build_detector(spec, timm.create_model("mobilenetv2_050", num_classes=0).state_dict())
    used_batch_norms(detector)
    return detector


def on_engine(maps: tuple[EvidenceMap, ...], engine: EngineName) -> Detector:
    detector = make_detector(maps)
    if engine != "onnx":
        return arrange(detector, engine)
    pytest.importorskip("onnxruntime")
    return on_graph(detector, exported(maps))


@cache
def exported(maps: tuple[EvidenceMap, ...]) -> bytes:
    data = export_graph(make_detector(maps))
    assert data is not None
    return data


def make_pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def furthest(scores: torch.Tensor, others: torch.Tensor) -> float:
    """Relative to the larger of 1 and the score."""
    return float(((scores - others).abs() / others.abs().clamp(min=1)).max())


@pytest.mark.parametrize(("engine", "maps"), CASES)
def test_all_engines_give_the_same_score_but_for_rounding(
    engine: EngineName, maps: tuple[EvidenceMap, ...], record_property: Callable[[str, object], None]
) -> None:
    pictures = make_pictures(4)
    delta = furthest(on_engine(maps, engine)(pictures).score, make_detector(maps)(pictures).score)
    record_property("relative_delta", delta)
    assert delta < ROUNDING


@pytest.mark.parametrize(("engine", "maps"), CASES)
def test_a_score_does_not_depend_on_its_neighbours(maps: tuple[EvidenceMap, ...], engine: EngineName) -> None:
    detector, pictures = on_engine(maps, engine), make_pictures(7)
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    padded = torch.cat((pictures, torch.zeros(1, 3, 64, 96)))  # to a bucket of 8
    assert furthest(detector(pictures).score, alone) < 1e-6
    assert furthest(detector(padded).score[:7], alone) < 1e-6
    assert furthest(detector(pictures.flip(0)).score.flip(0), alone) < 1e-6


@pytest.mark.parametrize("threads", [1, 2])
def test_features_of_a_graph_are_the_same_bits_in_any_batch(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    detector, pictures = on_engine(EVIDENCE[1], "onnx"), make_pictures(8)
    for whole, *alone in zip(*(detector.see(part).features for part in (pictures, *pictures.split(1))), strict=True):
        assert torch.equal(whole, torch.cat(alone))


@pytest.mark.gpu
@pytest.mark.parametrize(("engine", "maps"), list(product(ENGINES, EVIDENCE)))
def test_on_a_gpu_a_score_does_not_depend_on_its_neighbours(maps: tuple[EvidenceMap, ...], engine: TorchEngine) -> None:
    detector, pictures = arrange(make_detector(maps).cuda(), engine), make_pictures(8).cuda()
    alone = torch.cat([detector(picture[None]).score for picture in pictures])
    assert furthest(detector(pictures).score, alone) < 1e-6
    assert furthest(alone.cpu(), make_detector(maps)(pictures.cpu()).score) < ROUNDING


def test_a_copy_for_service_leaves_what_is_trained_as_it_is() -> None:
    detector = make_detector(EVIDENCE[0])
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    assert as_served(detector).engine == "folded"
    after = detector.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert detector_weights(detector)


@pytest.mark.parametrize(("name", "left"), [("mobilenetv2_050", 0), ("efficientnet_lite0", 0), ("resnet10t", 1)])
def test_networks_of_timm_are_folded_but_for_what_follows_a_stem_of_several_layers(name: str, left: int) -> None:
    torch.manual_seed(0)
    network, pictures = used_batch_norms(timm.create_model(name, num_classes=0)), make_pictures(1)
    with torch.inference_mode():
        before = network(pictures)
        fold_batch_norms(network)
        torch.testing.assert_close(network(pictures), before, rtol=1e-4, atol=1e-5)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == left


def test_what_is_on_the_fast_engine_is_served_as_it_is() -> None:
    detector = arrange(make_detector(EVIDENCE[1]), "folded")
    assert as_served(detector) is detector


def test_onnx_runtime_is_told_to_report_nothing_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    runpy.run_path(str(Path(graph.__file__)))
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_tf32_is_off() -> None:
    arrange(make_detector(EVIDENCE[1]), "reference")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
