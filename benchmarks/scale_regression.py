"""Our own line from edge response to mosaic scale, over the products at hand (EAR 3.4 publishes no coefficients).

In: folders of products (--data, each with train/good). Out: a table and the line of least squares, on stdout.
No label chooses anything. A tile must be large enough to hide what does not belong and small enough to let the
network rebuild what does; so pieces of other good parts are pasted onto salient places of held-out good parts, and
the best scale is the one whose residual tells the pasted place from the same place untouched: AUROC over its pixels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detector.build import build_detector
from detector.pipeline import Detector, stack
from detector.scale import edge_response, estimate_mosaic_scale, mean_log_response
from detector.spec import DetectorSpec, EvidenceSpec, InputSpec, UNetSpec
from training.config import FitConfig
from training.data import load_pictures, read_dataset
from training.fit import fit_reconstruction
from training.metrics import auroc
from training.rebuild import Pictures, masks_of

SCALES = (2, 4, 8, 16, 32, 64)  # px, the range of EAR's Table 1
SIZE = InputSpec(height=128, width=128)
PASTED = 12  # px, the side of a pasted piece
NETWORK = UNetSpec(widths=(8, 16, 32, 64))  # half of the default: six fits for each product
FIT = FitConfig(epochs=10, batch_size=8)
CPU = torch.device("cpu")


def main() -> None:
    """Print the products, then the line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--pictures", type=int, default=64, help="to fit on; as many more at most to paste on")
    options = parser.parse_args()
    print(f"| product | log2 r10 | {' | '.join(f'm = {scale}' for scale in SCALES)} | best | provisional line |")
    print("|---|---|" + "---|" * (len(SCALES) + 2))
    points = [print_product(folder, options.pictures) for folder in options.data]
    if len(points) > 1:
        responses, scales = np.array(points).T
        slope, intercept = np.polyfit(responses, scales, 1)
        correlation = np.corrcoef(responses, scales)[0, 1]
        print(f"m = {intercept:.1f} + {slope:.2f} * log2 r10, correlation {correlation:.3f}, {len(points)} products")


def print_product(folder: Path, count: int) -> tuple[float, int]:
    """(log2 r10, best scale)."""
    dataset = read_dataset(folder, hold_out=0.3, calibrate=0.1)
    fitted = load_pictures(dataset.train[:count], SIZE)
    clean = load_pictures(dataset.hold_out[:count], SIZE)
    masks = masks_of(make_detector(SCALES[0]), fitted)
    tensors = stack(list(fitted), CPU)
    response = mean_log_response(edge_response(tensors), masks)
    found = [separation(scale, fitted, clean) for scale in SCALES]
    best = SCALES[int(np.argmax(found))]
    cells = " | ".join(f"{value:.3f}" for value in found)
    print(
        f"| {folder.name} | {response:.2f} | {cells} | {best} | {estimate_mosaic_scale(tensors, masks)} |", flush=True
    )
    return response, best


def separation(scale: int, fitted: Pictures, clean: Pictures) -> float:
    """AUROC of the residual, pasted places against the same places untouched."""
    detector = make_detector(scale)
    with tempfile.TemporaryDirectory() as folder:
        fit_reconstruction(detector, fitted, FIT, seed=0, checkpoint=Path(folder), on_epoch=lambda _: None)
    pasted, places = paste(clean, masks_of(detector, clean))
    with_piece, without = residual(detector, pasted)[places], residual(detector, clean)[places]
    values = torch.cat((with_piece, without)).numpy()
    return auroc(values, np.arange(len(values)) < len(with_piece))


def paste(pictures: Pictures, masks: Tensor) -> tuple[Pictures, Tensor]:
    """Onto a salient place of each picture, a square of the next one; and where, (N,H,W) bool."""
    random, height, width = np.random.default_rng(0), *pictures.shape[1:3]
    out, places = pictures.copy(), np.zeros(pictures.shape[:3], bool)
    for row, mask in enumerate(masks[:, 0].numpy()):
        salient = np.argwhere(mask > 0)
        centre = salient[random.integers(len(salient))] if len(salient) else np.array((height, width)) // 2
        top, left = np.clip(centre - PASTED // 2, 0, (height - PASTED, width - PASTED))
        y, x = random.integers(0, (height - PASTED, width - PASTED))
        piece = pictures[(row + 1) % len(pictures), y : y + PASTED, x : x + PASTED]
        out[row, top : top + PASTED, left : left + PASTED] = piece
        places[row, top : top + PASTED, left : left + PASTED] = True
    return out, torch.from_numpy(places)


def residual(detector: Detector, pictures: Pictures) -> Tensor:
    """MSGMS distance per pixel (N,H,W)."""
    parts = [
        detector.raw_evidence(stack(list(pictures[row : row + 16]), CPU))[:, 0] for row in range(0, len(pictures), 16)
    ]
    return torch.cat(parts)


def make_detector(scale: int) -> Detector:
    """EAR with the mask that needs no weights; the same first weights for each scale."""
    torch.manual_seed(0)
    evidence = EvidenceSpec(maps=("msgms",), standardise="none")
    return build_detector(DetectorSpec(input=SIZE, mosaic_scale=scale, unet=NETWORK, fader=None, evidence=evidence))


if __name__ == "__main__":
    main()
