"""Many maps → one anomaly map → one score.

In: standardised evidence (B,M,H,W). Out: anomaly map (B,H,W), score (B,), both unclamped.
A score never exceeds the highest pixel of its map, so a part that is over a threshold has a place to show for it.
"""

import torch
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


def reduce_to_score(anomaly_map: Tensor, rule: Reduce, *, top_fraction: float, window: int = 0) -> Tensor:
    """(B,H,W) → (B,): the highest pixel (EAR), the mean of the highest `top_fraction` of all, or the highest such mean
    of all windows of `window` px a side, each half over the next."""
    if rule == "max":
        return anomaly_map.flatten(1).amax(dim=1)
    if rule == "top-mean":
        return _top_mean(anomaly_map.flatten(1), top_fraction)
    return torch.stack([_highest_window(single, window, top_fraction) for single in anomaly_map])


def _top_mean(pixels: Tensor, share: float) -> Tensor:
    """(B,N) → (B,)."""
    count = max(1, round(share * pixels.shape[1]))
    return pixels.topk(count, dim=1).values.mean(dim=1)


def _highest_window(anomaly_map: Tensor, side: int, share: float) -> Tensor:
    """(H,W) → (). A window whose peak is below what another one reached need not be sorted: most are not."""
    height, width = (min(side, length) for length in anomaly_map.shape)
    windows = [
        anomaly_map[top : top + height, left : left + width]
        for top in _starts(anomaly_map.shape[0], height)
        for left in _starts(anomaly_map.shape[1], width)
    ]
    peaks = torch.stack([window.amax() for window in windows])
    order = peaks.argsort(descending=True, stable=True).tolist()
    best = _top_mean(windows[order[0]].reshape(1, -1), share)[0]
    for place in order[1:]:
        if best >= peaks[place]:
            break
        best = torch.maximum(best, _top_mean(windows[place].reshape(1, -1), share)[0])
    return best


def _starts(length: int, side: int) -> list[int]:
    """Every half side, and the last window at the far border."""
    return [*range(0, length - side, max(1, side // 2)), length - side]
