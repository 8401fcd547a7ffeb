"""Detector: pictures → saliency → mosaic → U-Net + FADeR → evidence → Anomaly.

In: (B,3,H,W) float32 in [0, 1], of the size in the spec. Out: score (B,) and heatmap (B,H,W).
What no evidence reads is not computed: where features alone decide, the reconstruction is drawn by `explain` only.
With tiles in the spec the networks see one window of a picture after the other (detector/tiles.py), all else the whole.
Stateless: the result for a picture depends on no other picture in the batch and on no call before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detector.align import Aligner
from detector.backbone import Backbone
from detector.errors import SpecError
from detector.evidence.evidence import Clues, Evidence
from detector.fader import Fader, gates_for_levels
from detector.filters import FilterBank
from detector.graph import BackboneGraph
from detector.mosaic import hide, remove
from detector.motion import Motion
from detector.saliency.attention import AttentionSaliency
from detector.saliency.disjoint import DisjointSaliency, assemble
from detector.spec import FEATURES, DetectorSpec, FeatureSource
from detector.tiles import in_tiles
from detector.turn import Turner
from detector.unet import UNet

TorchEngine = Literal["reference", "folded"]
EngineName = TorchEngine | Literal["onnx"]
"""How a detector is computed: detector/engine.py."""


@dataclass(frozen=True)
class Anomaly:
    """What a batch of pictures scored."""

    score: Tensor
    """(B,) float32, unclamped; higher is more anomalous."""
    heatmap: Tensor
    """(B,H,W) float32 in units of the score: where a score exceeds a threshold, some pixel does."""


@dataclass(frozen=True)
class Placed:
    """Pictures as the statistics expect them."""

    pictures: Tensor
    """(B,3,H,W)."""
    motion: Motion | None
    """How each was moved; None where the product takes parts as they lie."""


@dataclass(frozen=True)
class Sight:
    """What those parts make of placed pictures that no product trains: saliency and frozen backbone."""

    masks: Tensor | None
    """(B,1,H,W), 1 = hidden; None where nothing is reconstructed."""
    features: Sequence[Tensor]
    """Backbone maps (B,C,h,w) of the depths that the spec names; none where they are no evidence."""

    def of(self, rows: slice) -> "Sight":
        """That of some of the pictures."""
        masks = None if self.masks is None else self.masks[rows]
        return Sight(masks, [maps[rows] for maps in self.features])


@dataclass(frozen=True)
class Explanation:
    """Every picture that the detector drew on its way to a score, in the pixels that were sent."""

    mask: Tensor
    """(B,1,H,W), 1 = hidden (EAR: S); one of RIAD's masks, where there are many."""
    hint: Tensor
    """(B,3,H,W), what the network saw (EAR eq. 1: I')."""
    gate: Tensor | None
    """(B,1,h,w) in [0, 1], 0 = skip connections cut (FADeR), where good parts lie; None without an attenuator."""
    reconstruction: Tensor
    """(B,3,H,W) in [0, 1]: the part as it should have looked; RIAD's mean over its cell sides."""
    heatmap: Tensor
    score: Tensor


class Detector(nn.Module):
    """The joined parts. `build_detector` makes one; this class knows no numbers."""

    def __init__(  # noqa: PLR0913 -- a detector is made of these
        self,
        spec: DetectorSpec,
        *,
        saliency: nn.Module,
        unet: UNet,
        fader: Fader | None,
        backbone: Backbone | None,
        filters: FilterBank | None,
        evidence: Evidence,
        aligner: Aligner | Turner | None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.saliency = saliency
        self.unet = unet
        self.fader = fader
        self.backbone = backbone
        self.filters = filters
        self.evidence = evidence
        self.aligner = aligner
        self.engine: EngineName = "reference"
        self.graph: BackboneGraph | None = None
        """What computes the backbone's features on the engine `onnx`."""

    @torch.inference_mode()
    def forward(self, pictures: Tensor) -> Anomaly:
        """(B,3,H,W) in [0, 1] → Anomaly, in the pixels of the pictures as they came."""
        placed = self.place(pictures)
        return self.put_back(self.assess(placed.pictures, self.see(placed.pictures)), placed)

    @torch.inference_mode()
    def place(self, pictures: Tensor) -> Placed:
        """Pictures with the part where this product's lies."""
        if self.aligner is None:
            return Placed(pictures, None)
        motion: Motion = self.aligner(pictures)
        return Placed(motion.move(pictures), motion)

    @torch.inference_mode()
    def see(self, pictures: Tensor) -> Sight:
        """The part of `forward` that is the same for every product of one `spec.sight`."""
        evidence, saliency = self.spec.evidence, self.saliency
        has_features = "backbone" in evidence.maps
        if evidence.residuals and has_features and isinstance(saliency, AttentionSaliency) and self.spec.tiles is None:
            # the mask has paid for all of the ViT but its last block
            attention, features = saliency.backbone.attention_and_stages(pictures, evidence.backbone.levels)
            return Sight(saliency.mask(attention, pictures), features)
        masks = saliency(pictures) if evidence.residuals else None
        return Sight(masks, self.features(pictures, "backbone") if has_features else ())

    @torch.inference_mode()
    def assess(self, pictures: Tensor, sight: Sight) -> Anomaly:
        """The part with this product's own weights: reconstruction and evidence, of pictures that are placed."""
        heatmap: Tensor = self.evidence(self.clues(pictures, sight))
        return Anomaly(self.evidence.score(heatmap), heatmap)

    @torch.inference_mode()
    def put_back(self, anomaly: Anomaly, placed: Placed) -> Anomaly:
        """Maps of moved parts → in the pixels that were sent; what had left the frame, at an edge or a corner, is as
        quiet as the quietest place, since nothing is known of it, and only pixels that were sent make the score."""
        if placed.motion is None:
            return anomaly
        maps, back = anomaly.heatmap.unsqueeze(1), placed.motion.inverse()
        quiet = maps.amin(dim=(2, 3), keepdim=True)
        heatmap = torch.where(back.is_known(maps), back.move(maps), quiet).squeeze(1)
        return Anomaly(self.evidence.score(heatmap), heatmap)

    @torch.inference_mode()
    def explain(self, pictures: Tensor) -> Explanation:
        """What `forward` computes, and the reconstruction with every step on the way to it."""
        placed = self.place(pictures)
        masks = self.saliency(placed.pictures)
        hints = self.hints(placed.pictures, masks)
        reconstruction = self.rebuild(placed.pictures, masks).mean(dim=0)
        anomaly = self(pictures)
        return Explanation(
            _as_sent(masks.expand(len(pictures), -1, -1, -1), placed).round(),
            _as_sent(hints, placed),
            self.gate(hints),
            _as_sent(reconstruction, placed),
            anomaly.heatmap,
            anomaly.score,
        )

    @torch.inference_mode()
    def raw_evidence(self, pictures: Tensor) -> Tensor:
        """Evidence maps (B,M,H,W) of pictures before they are standardised: what that is fitted on."""
        return self.evidence.raw(self.clues(pictures, self.see(pictures)))

    @torch.inference_mode()
    def feature_grid(self, pictures: Tensor, source: FeatureSource) -> Tensor:
        """Feature vectors (B,C,h,w) of one source of evidence: what its distributions are fitted on."""
        return self.evidence.grid(source, self.features(pictures, source))

    def clues(self, pictures: Tensor, sight: Sight) -> Clues:
        """Everything that evidence is made of."""
        grids = {
            name: self.evidence.grid(name, sight.features if name == "backbone" else self.features(pictures, name))
            for name in FEATURES
            if name in self.spec.evidence.maps
        }
        reconstructions = None if sight.masks is None else self.rebuild(pictures, sight.masks)
        return Clues(pictures, reconstructions, grids)

    def features(self, pictures: Tensor, source: FeatureSource) -> list[Tensor]:
        """Feature maps (B,C,h,w) of the depths that the spec names."""
        backbone, evidence = self.backbone, self.spec.evidence
        if source == "encoder":
            return in_tiles(self.spec.tiles, lambda seen: self._encoded(seen, evidence.encoder.levels), pictures)
        if source == "filters" and self.filters is not None:
            return in_tiles(self.spec.tiles, self.filters, pictures)
        if backbone is None:
            raise SpecError("evidence from a backbone needs one")
        stages = self.graph or (lambda seen: backbone.stages(seen, evidence.backbone.levels))
        return in_tiles(self.spec.tiles, stages, pictures)

    def rebuild(self, pictures: Tensor, masks: Tensor) -> Tensor:
        """(B,3,H,W), (B,1,H,W) → (V,B,3,H,W): one reconstruction (EAR), or one for each of RIAD's cell sides."""
        if isinstance(self.saliency, DisjointSaliency):
            return torch.stack([assemble(pictures, sets, self._rebuild_hidden) for sets in self.saliency.masks])
        return self._rebuild_hidden(pictures, masks).unsqueeze(0)

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

    def _encoded(self, pictures: Tensor, levels: Sequence[int]) -> list[Tensor]:
        seen = self.unet.encode(pictures)
        return [seen[level] for level in levels]

    def _rebuild_hidden(self, pictures: Tensor, masks: Tensor) -> Tensor:
        hints = self.hints(pictures, masks)
        (drawn,) = in_tiles(self.spec.tiles, lambda seen: [self.reconstruct(seen, self.gate(seen))], hints)
        return drawn


def stack(inputs: Sequence[npt.NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Pictures (H,W,3) uint8, at least one, all of one size → (B,3,H,W) float32 in [0, 1] on `device`."""
    batch = torch.from_numpy(np.stack(inputs)).to(device)
    return batch.permute(0, 3, 1, 2).contiguous().float() / 255


def _as_sent(maps: Tensor, placed: Placed) -> Tensor:
    """(B,C,H,W) of placed pictures → in the pixels that were sent."""
    return maps if placed.motion is None else placed.motion.inverse().move(maps)


def score_together(groups: Sequence[tuple[Detector, Tensor]]) -> list[Anomaly]:
    """Groups of pictures, each with the detector of its product, all of one `spec.sight` → an `Anomaly` per group.

    Everything that the products share is computed once for all pictures: the frozen backbone is most of the cost.
    """
    placed = [detector.place(pictures) for detector, pictures in groups]
    sight = groups[0][0].see(torch.cat([group.pictures for group in placed]))
    anomalies, start = [], 0
    for (detector, _), group in zip(groups, placed, strict=True):
        rows = slice(start, start := start + len(group.pictures))
        anomalies.append(detector.put_back(detector.assess(group.pictures, sight.of(rows)), group))
    return anomalies
