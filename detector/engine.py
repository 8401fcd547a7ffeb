"""How a detector is computed: layer by layer as it was trained, or arranged for speed.

In: a detector that nothing trains any more. Out: one that gives the same scores, but for rounding, sooner.
All engines are float32, on a GPU too: TF32 is off. docs/adr/0017 and 0023 say what was measured, and what was left out.
"""

import copy
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from detector.graph import BackboneGraph
from detector.pipeline import Detector, TorchEngine

ROUNDING = 1e-5
"""By which scores of the engines differ, relative to the larger of 1 and the score: 3e-6 on real products. Where a
product of a few pixels was hardly trained, its deviations are tiny, and rounding divided by them came to 1.3e-4."""


def arrange(detector: Detector, engine: TorchEngine) -> Detector:
    """The same object, which from now on runs on `engine`.

    `reference`: nothing is changed. `folded`: batch norms join the convolutions before them, and weights lie channels
    last, so that maps do; what is left can be neither trained nor saved.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if engine == "folded":
        for network in (detector.backbone, detector.unet):
            if network is not None:
                fold_batch_norms(network)
                network.to(memory_format=torch.channels_last)
    detector.engine = engine
    return detector


def attach(detector: Detector, graph: BackboneGraph) -> Detector:
    """The same object, folded already, whose backbone's features `graph` computes from now on: the engine `onnx`."""
    detector.graph, detector.engine = graph, "onnx"
    return detector


def as_served(detector: Detector) -> Detector:
    """A copy on the engine that every service has, and that thresholds are measured with; itself, if it is on a fast
    one."""
    if detector.engine != "reference":
        return detector
    return arrange(copy.deepcopy(detector), "folded").eval()


def fold_batch_norms(network: nn.Module) -> None:
    """Scale and shift of every batch norm → weights and bias of the convolution that is declared right before it.

    Ours is computed in that order, and so are timm's families that are tested. Export notices another order: it scores
    the golden pictures both ways.
    """
    for parent in list(network.modules()):
        children = list(parent.named_children())
        for (_, before), (name, norm) in pairwise(children):
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _absorb(before, norm)
                setattr(parent, name, nn.Sequential(*norm.children()))  # timm's batch norms hold the activation


def _absorb(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
    )
