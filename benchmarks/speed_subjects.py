"""What the speed benchmarks run: the detectors of this repository, and the papers' methods written down literally.

In: a file of MobileNetV2 weights; where there is none, as for DINO's, weights are random, which takes as long. Out:
detectors with random statistics, and functions (B,3,H,W) → scores (B,).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from detector.backbone import create_network
from detector.build import build_detector
from detector.engine import arrange
from detector.pipeline import Detector, EngineName
from detector.spec import BackboneSpec, DetectorSpec, EvidenceSpec, FaderSpec, SaliencySpec, UNetSpec
from training.export_graph import export_graph, on_graph

WEIGHTS = Path("../shared/weights/mobilenetv2_100_same.safetensors")
HALF = (0.5, 0.5, 0.5)
MOBILENET = BackboneSpec(name="mobilenetv2_100", digest="0" * 64, mean=HALF, std=HALF, pad_type="same")
DINO = BackboneSpec(
    name="vit_small_patch8_224.dino", digest="0" * 64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
PAPER = UNetSpec(widths=(64, 128, 256, 512, 512))
MAX_OF_MSGMS = EvidenceSpec(maps=("msgms",), standardise="none", smooth=1, reduce="max")
SPECS = {
    # what training chooses with MobileNetV2 in the store, on all three products at hand
    "features": DetectorSpec(backbone=MOBILENET, evidence=EvidenceSpec(maps=("backbone",))),
    # the preset `cpu` without a backbone
    "residual": DetectorSpec(fader=FaderSpec(), evidence=EvidenceSpec(maps=("msgms", "l1"))),
    "ear": DetectorSpec(
        backbone=DINO, saliency=SaliencySpec(kind="attention"), unet=PAPER, fader=None, evidence=MAX_OF_MSGMS
    ),
    "riad": DetectorSpec(
        saliency=SaliencySpec(kind="disjoint", hide_as="removed"),
        unet=PAPER,
        fader=None,
        evidence=replace(MAX_OF_MSGMS, msgms_scales=4, smooth=21),
    ),
}
PREWITT = torch.tensor([[1.0, 0.0, -1.0]] * 3) / 3


def make(name: str, engine: EngineName) -> Detector:
    """One of `SPECS`, on its engine; `onnx` exports it first, which takes seconds."""
    torch.manual_seed(0)
    spec = SPECS[name]
    detector = build_detector(spec, None if spec.backbone is None else _weights(spec.backbone))
    for field in detector.evidence.fields.children():
        size = field.whitener.shape[-1]
        field.whitener.copy_(torch.randn(len(field.whitener), size, size).tril())
        field.mean.normal_()
    if engine != "onnx":
        return arrange(detector, engine)
    graph = export_graph(detector)
    if graph is None:
        raise ValueError(f"no graph of {name}: extra `train`")
    return on_graph(detector, graph)


def literal_ear(detector: Detector) -> Callable[[Tensor], Tensor]:
    """EAR as the paper has it, with the weights of `detector`: on the reference engine, and of no use afterwards.

    All twelve blocks of the ViT with attention as a matrix that a hook takes, and each map by itself: mask, mosaic,
    U-Net, and for each scale and picture the gradients by convolution.
    """
    backbone = detector.backbone
    if backbone is None:
        raise ValueError("EAR needs its ViT")
    network = backbone.network
    kept: dict[str, Tensor] = {}
    for block in network.blocks:
        block.attn.fused_attn = False
    network.blocks[-1].attn.attn_drop.register_forward_hook(lambda _, __, weights: kept.update(a=weights))

    @torch.inference_mode()
    def score(pictures: Tensor) -> Tensor:
        network.forward_features((pictures - backbone.mean) / backbone.std)
        side = pictures.shape[-1] // 8
        attention = kept["a"][:, :, 0, 1:].mean(dim=1).reshape(-1, 1, side, side)
        saliency = F.interpolate(attention, scale_factor=8, mode="nearest")
        level = saliency.mean(dim=(1, 2, 3), keepdim=True) + 0.674 * saliency.std(dim=(1, 2, 3), keepdim=True)
        mask = (saliency > level).float()
        tiles = F.interpolate(F.avg_pool2d(pictures, 8), scale_factor=8, mode="nearest")
        hints = tiles * mask + pictures * (1 - mask)
        rebuilt = detector.unet(hints, detector.unet.open_gates())
        return _literal_msgms(pictures, rebuilt).amax(dim=(1, 2))

    return score


def _literal_msgms(pictures: Tensor, rebuilt: Tensor) -> Tensor:
    size, total = pictures.shape[-2:], torch.zeros(())
    for scale in range(3):
        if scale:
            pictures, rebuilt = F.avg_pool2d(pictures, 2), F.avg_pool2d(rebuilt, 2)
        a, b = _literal_gradient(pictures), _literal_gradient(rebuilt)
        distance = 1 - (2 * a * b + 0.0026) / (a**2 + b**2 + 0.0026)
        total = total + F.interpolate(distance.mean(dim=1, keepdim=True), size, mode="bilinear", align_corners=False)
    return (total / 3).squeeze(1)


def _literal_gradient(pictures: Tensor) -> Tensor:
    kernels = torch.stack((PREWITT, PREWITT.T)).unsqueeze(1)
    padded = F.pad(pictures.flatten(0, 1).unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    across, down = F.conv2d(padded, kernels).unbind(dim=1)
    return torch.sqrt(across**2 + down**2 + 1e-12).view_as(pictures)


def _weights(spec: BackboneSpec) -> dict[str, Tensor]:
    network: nn.Module = create_network(spec.name, spec.pad_type)
    if spec is MOBILENET and WEIGHTS.exists():
        network.load_state_dict(load_file(WEIGHTS), strict=False)
    return network.state_dict()
