"""A frozen timm network: feature maps, and the CLS attention of a ViT.

In: pictures (B,3,H,W) float32 in [0, 1]; normalisation is done here, with the constants of the spec.
Out: maps for the saliency mask. Refuses: an unknown name or one that cannot do what is asked (`SpecError`),
tensors that do not fit (`WeightsMismatch`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from detector.errors import SpecError, WeightsMismatch
from detector.spec import BackboneSpec

DEEPEST_REDUCTION = 16  # input pixels per feature: deeper maps are too coarse for a mask (ours)


class Backbone(nn.Module):
    """Normalisation and network; no gradient reaches its weights."""

    network: Any  # timm's modules carry no types for what is used here
    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: BackboneSpec) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def cls_attention(self, pictures: Tensor) -> Tensor:
        """Softmax of CLS query against patch keys in the last block, averaged over heads (EAR 3.2): (B,1,h,w).

        Computes what the mask needs: in the last block one query row and the keys; no values, no MLP, no norm.
        """
        return self.attention_and_stages(pictures, ())[0]

    def attention_and_stages(self, pictures: Tensor, levels: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """`cls_attention` and `stages` of one pass: blocks that both need run once."""
        vit = self.network
        if not isinstance(self.network, VisionTransformer) or not vit.num_prefix_tokens:
            raise SpecError("CLS attention needs a ViT backbone with a CLS token")
        before_last = len(vit.blocks) - 2
        wanted = sorted({*levels, before_last})
        found = vit.forward_intermediates(
            self._normalise(pictures),
            indices=wanted,
            return_prefix_tokens=True,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        tokens = dict(zip(wanted, found, strict=True))  # block → (patches (B,h*w,C), CLS and the like before them)
        patches, prefix = tokens[before_last]
        attention = _cls_row(vit.blocks[-1].attn, vit.blocks[-1].norm1(torch.cat((prefix, patches), dim=1)))
        grid = vit.patch_embed.dynamic_feat_size((pictures.shape[-2], pictures.shape[-1]))
        mask = attention[..., vit.num_prefix_tokens :].mean(dim=1).reshape(len(pictures), 1, *grid)
        maps = [tokens[level][0].transpose(1, 2).unflatten(2, grid).contiguous() for level in sorted(levels)]
        return mask, maps

    def deep_map(self, pictures: Tensor) -> Tensor:
        """The deepest CNN feature map of at most 16 px a feature: (B,C,h,w)."""
        reductions = [stage["reduction"] for stage in self.network.feature_info]
        index = max(i for i, reduction in enumerate(reductions) if reduction <= DEEPEST_REDUCTION)
        (features,) = self.network.forward_intermediates(
            self._normalise(pictures), indices=[index], stop_early=True, intermediates_only=True
        )
        return features  # type: ignore[no-any-return]

    def stages(self, pictures: Tensor, levels: Sequence[int]) -> list[Tensor]:
        """Feature maps (B,C,h,w) of the named depths: a CNN's stages, or a ViT's blocks as maps of its patch tokens."""
        maps: list[Tensor] = self.network.forward_intermediates(
            self._normalise(pictures), indices=sorted(levels), stop_early=True, intermediates_only=True
        )
        return maps

    def channels(self, levels: Sequence[int]) -> int:
        """Channels of those maps together; `SpecError` for a depth that the network does not have."""
        known = [stage["num_chs"] for stage in self.network.feature_info]
        if max(levels) >= len(known):
            raise SpecError(f"the backbone has depths 0 to {len(known) - 1}, not {max(levels)}")
        return sum(known[level] for level in levels)

    def reduction(self, levels: Sequence[int]) -> int:
        """Input pixels behind one feature of the coarsest of those maps."""
        return max(int(stage["reduction"]) for level, stage in enumerate(self.network.feature_info) if level in levels)

    def _normalise(self, pictures: Tensor) -> Tensor:
        return (pictures - self.mean) / self.std


def build_backbone(spec: BackboneSpec, weights: Mapping[str, Tensor], *, height: int, width: int) -> Backbone:
    """The network `spec.name` with `weights` (keys of timm.create_model(name, num_classes=0)), for this input size."""
    network = create_network(spec.name, spec.pad_type)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as exc:
        raise WeightsMismatch(f"the weights {spec.digest[:12]} do not fit backbone {spec.name!r}: {exc}") from exc
    if isinstance(network, VisionTransformer):
        patch_height, patch_width = network.patch_embed.patch_size
        if height % patch_height or width % patch_width:
            raise SpecError(
                f"input {height}x{width} is not divisible by the {patch_height} px patches of {spec.name!r}"
            )
        network.set_input_size((height, width))  # position embeddings are resampled (bicubic)
    return Backbone(network, spec)


def create_network(name: str, pad_type: str) -> nn.Module:
    """A timm network without classifier and without weights from anywhere; `SpecError` when timm knows no such name."""
    options: dict[str, Any] = {"pad_type": pad_type} if pad_type else {}
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (RuntimeError, TypeError) as exc:
        raise SpecError(f"timm builds no backbone {name!r}: {exc}") from exc
    return network


def _cls_row(attention: Any, tokens: Tensor) -> Tensor:
    """Attention weights of the CLS token: (B,N,C) → (B,heads,N)."""
    batch, count, channels = tokens.shape
    heads, size = attention.num_heads, attention.head_dim
    weight, bias = attention.qkv.weight, attention.qkv.bias
    bias = torch.zeros(len(weight), device=tokens.device) if bias is None else bias
    query = nn.functional.linear(tokens[:, :1], weight[:channels], bias[:channels])
    keys = nn.functional.linear(tokens, weight[channels : 2 * channels], bias[channels : 2 * channels])
    query = attention.q_norm(query.view(batch, 1, heads, size).transpose(1, 2))
    keys = attention.k_norm(keys.view(batch, count, heads, size).transpose(1, 2))
    scores = (query * attention.scale) @ keys.transpose(-2, -1)
    return torch.softmax(scores, dim=-1).squeeze(2)
