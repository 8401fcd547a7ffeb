"""Many maps → one anomaly map → one score.

In: standardised evidence (B,M,H,W). Out: anomaly map (B,H,W), score (B,), both unclamped.
A score never exceeds the highest pixel of its map, so a part that is over a threshold has a place to show for it.
"""

import torch.nn.functional as F
from torch import Tensor

from detector.spec import Fuse, Reduce


def fuse(evidence: Tensor, rule: Fuse, weights: Tensor) -> Tensor:
    """(B,M,H,W) and (M,) that sum to 1 → (B,H,W); only `weighted` reads the weights."""
    if rule == "weighted":
        return (evidence * weights.view(-1, 1, 1)).sum(dim=1)
    return evidence.mean(dim=1) if rule == "mean" else evidence.amax(dim=1)


def smooth(anomaly_map: Tensor, side: int) -> Tensor:
    """Box filter of `side` (odd) pixels; at a border the mean is over the pixels that exist."""
    if side == 1:
        return anomaly_map
    pooled = F.avg_pool2d(anomaly_map.unsqueeze(1), side, stride=1, padding=side // 2, count_include_pad=False)
    return pooled.squeeze(1)


def reduce_to_score(anomaly_map: Tensor, rule: Reduce, *, top_fraction: float) -> Tensor:
    """(B,H,W) → (B,): the highest pixel (EAR), or the mean of the highest `top_fraction` of them."""
    pixels = anomaly_map.flatten(1)
    if rule == "max":
        return pixels.amax(dim=1)
    count = max(1, round(top_fraction * pixels.shape[1]))
    return pixels.topk(count, dim=1).values.mean(dim=1)
