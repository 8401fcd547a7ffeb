"""Detector: pictures → saliency → mosaic → U-Net + FADeR → evidence → Anomaly.

In: (B,3,H,W) float32 in [0, 1], of the size in the spec. Out: score (B,) and heatmap (B,H,W).
Stateless: the result for a picture depends on no other picture in the batch and on no call before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detector.evidence.evidence import Evidence
from detector.fader import Fader, gates_for_levels
from detector.mosaic import hide, remove
from detector.saliency.disjoint import DisjointSaliency, assemble
from detector.spec import DetectorSpec
from detector.unet import UNet


@dataclass(frozen=True)
class Anomaly:
    """What a batch of pictures scored."""

    score: Tensor
    """(B,) float32, unclamped; higher is more anomalous."""
    heatmap: Tensor
    """(B,H,W) float32 in units of the score: where a score exceeds a threshold, some pixel does."""


@dataclass(frozen=True)
class Explanation:
    """Every picture that the detector drew on its way to a score."""

    mask: Tensor
    """(B,1,H,W), 1 = hidden (EAR: S); one of RIAD's masks, where there are many."""
    hint: Tensor
    """(B,3,H,W), what the network saw (EAR eq. 1: I')."""
    gate: Tensor | None
    """(B,1,h,w) in [0, 1], 0 = skip connections cut (FADeR); None without an attenuator."""
    reconstruction: Tensor
    """(B,3,H,W) in [0, 1]: the part as it should have looked; RIAD's mean over its cell sides."""
    heatmap: Tensor
    score: Tensor


class Detector(nn.Module):
    """The joined parts. `build_detector` makes one; this class knows no numbers."""

    def __init__(
        self, spec: DetectorSpec, *, saliency: nn.Module, unet: UNet, fader: Fader | None, evidence: Evidence
    ) -> None:
        super().__init__()
        self.spec = spec
        self.saliency = saliency
        self.unet = unet
        self.fader = fader
        self.evidence = evidence

    @torch.inference_mode()
    def forward(self, pictures: Tensor) -> Anomaly:
        """(B,3,H,W) in [0, 1] → Anomaly."""
        score, heatmap = self.evidence(pictures, self.rebuild(pictures))
        return Anomaly(score, heatmap)

    @torch.inference_mode()
    def explain(self, pictures: Tensor) -> Explanation:
        """The same computation as `forward`, with every step kept."""
        masks = self.saliency(pictures)
        hints = self.hints(pictures, masks)
        reconstructions = self.rebuild(pictures)
        score, heatmap = self.evidence(pictures, reconstructions)
        return Explanation(masks, hints, self.gate(hints), reconstructions.mean(dim=0), heatmap, score)

    @torch.inference_mode()
    def residuals(self, pictures: Tensor) -> Tensor:
        """Raw evidence maps (B,M,H,W) of pictures: what evidence statistics are fitted on."""
        return self.evidence.residuals(pictures, self.rebuild(pictures))

    def rebuild(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (V,B,3,H,W): one reconstruction (EAR), or one for each cell side of disjoint masks (RIAD)."""
        if isinstance(self.saliency, DisjointSaliency):
            return torch.stack([assemble(pictures, masks, self._rebuild_hidden) for masks in self.saliency.masks])
        return self._rebuild_hidden(pictures, self.saliency(pictures)).unsqueeze(0)

    def hints(self, pictures: Tensor, masks: Tensor) -> Tensor:
        """(B,3,H,W) and (B,1,H,W) or (1,1,H,W) → I' (B,3,H,W)."""
        if self.spec.saliency.hide_as == "removed":
            return remove(pictures, masks)
        return hide(pictures, masks, self.spec.mosaic_scale)

    def gate(self, hints: Tensor) -> Tensor | None:
        """Where the skips may pass, (B,1,h,w); None without an attenuator."""
        return None if self.fader is None else self.fader.gate(hints)

    def reconstruct(self, hints: Tensor, gate: Tensor | None) -> Tensor:
        """(B,3,H,W) hints → reconstructions, skips attenuated by `gate`, those of `skip_off` cut."""
        if gate is None or self.spec.fader is None:
            gates: Sequence[Tensor | None] = self.unet.open_gates()
        else:
            height, width = hints.shape[-2:]
            skips = len(self.unet.encoders)
            gates = gates_for_levels(gate, self.spec.fader.levels, skips=skips, height=height, width=width)
        if off := self.spec.unet.skip_off:
            closed = hints.new_zeros(1, 1, 1, 1)
            gates = [closed if level in off else gate for level, gate in enumerate(gates)]
        reconstructions: Tensor = self.unet(hints, gates)
        return reconstructions

    def _rebuild_hidden(self, pictures: Tensor, masks: Tensor) -> Tensor:
        hints = self.hints(pictures, masks)
        return self.reconstruct(hints, self.gate(hints))


def stack(inputs: Sequence[npt.NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Pictures (H,W,3) uint8, at least one, all of one size → (B,3,H,W) float32 in [0, 1] on `device`."""
    batch = torch.from_numpy(np.stack(inputs)).to(device)
    return batch.permute(0, 3, 1, 2).contiguous().float() / 255
