"""PaDiM and PatchCore: anomalib's own code, on the backbone and the pictures that our methods get.

In: good pictures (N,H,W,3) uint8 and mobilenetv2_100's weights. Out: `Fitted`. Refuses: a Python without anomalib
(`pip install -e '.[bench]'`). What is not anomalib's default: the backbone, its layers, PaDiM's number of features
(anomalib has none for this backbone), PatchCore's share of patches where --coreset says so, and its coreset's
distances, which are taken between the features themselves: the projection that anomalib puts before them would make
more numbers of these 128 (Johnson and Lindenstrauss's bound for so many patches is over 300), and take longer.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from anomalib.metrics.aupro import _AUPRO
from anomalib.models.components import KCenterGreedy, TimmFeatureExtractor
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from figures import Masks
from safetensors.torch import load_file
from scoring import Fitted, Map, Predict
from torch import Tensor

from detector.pipeline import stack
from detector.spec import InputSpec
from training.calibrate import pick_device
from training.data import Sample, load_pictures

BACKBONE = "mobilenetv2_100"
PADIM_LAYERS = ("blocks.1", "blocks.2", "blocks.4")  # strides 4, 8, 16: 24 + 32 + 96 features
PATCHCORE_LAYERS = ("blocks.2", "blocks.4")  # strides 8, 16
PADIM_FEATURES = 100  # of 152, drawn with the seed; anomalib's number for resnet18
CORESET = 0.1  # share of all patches; anomalib's default
BATCH_SIZE = 16

Model = PadimModel | PatchcoreModel


def fit_padim(samples: Sequence[Sample], spec: InputSpec, *, weights: Path, seed: int) -> Fitted:
    """A Gaussian for each place."""
    torch.manual_seed(seed)
    model = PadimModel(BACKBONE, list(PADIM_LAYERS), pre_trained=False, n_features=PADIM_FEATURES)
    begun = time.perf_counter()
    show(model, samples, spec, weights)
    model.fit()
    settings = {"layers": PADIM_LAYERS, "n_features": PADIM_FEATURES}
    return fitted(model, begun, weights, settings=settings, fitted_on=len(samples))


def fit_patchcore(samples: Sequence[Sample], spec: InputSpec, *, weights: Path, seed: int, coreset: float) -> Fitted:
    """A memory bank: the share `coreset` of all patches."""
    torch.manual_seed(seed)
    model = PatchcoreModel(PATCHCORE_LAYERS, BACKBONE, pre_trained=False)
    begun = time.perf_counter()
    show(model, samples, spec, weights)
    patches = torch.vstack(model.embedding_store)
    model.embedding_store.clear()
    # a third dimension is how anomalib is told not to project
    model.memory_bank = KCenterGreedy(patches.unsqueeze(1), coreset).sample_coreset().squeeze(1)
    settings = {"layers": PATCHCORE_LAYERS, "coreset": coreset, "num_neighbors": model.num_neighbors}
    return fitted(model, begun, weights, settings=settings, fitted_on=len(samples))


def anomalib_aupro(maps: Map, masks: Masks) -> float:
    """Anomalib's AUPRO up to 30 % false positives, to hold ours against."""
    metric = _AUPRO(fpr_limit=0.3)  # its public class takes anomalib's own batches only
    metric.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
    return float(metric.compute())


def show(model: Model, samples: Sequence[Sample], spec: InputSpec, weights: Path) -> None:
    """Every picture's features into the model's store; leaves it ready to score."""
    device = pick_device("auto")
    set_backbone(model.feature_extractor, weights)
    pictures = load_pictures(samples, spec)
    model.to(device).train()
    for start in range(0, len(pictures), BATCH_SIZE):
        model(normalised(stack(list(pictures[start : start + BATCH_SIZE]), device)))
    model.eval()


def set_backbone(extractor: TimmFeatureExtractor, weights: Path) -> None:
    """The file's weights, in a network that pads as theirs did; anomalib passes no `pad_type` on."""
    network = timm.create_model(
        BACKBONE, pad_type="same", features_only=True, exportable=True, out_indices=extractor.idx
    )
    counters = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    missing = set(network.load_state_dict(load_file(weights), strict=False).missing_keys)
    if missing - counters:
        raise ValueError(f"{weights} lacks {sorted(missing - counters)}")
    extractor.feature_extractor = network.eval()


def normalised(pictures: Tensor) -> Tensor:
    """[0, 1] → [-1, 1], what the weights were trained on."""
    return 2 * pictures - 1


def fitted(model: Model, begun: float, weights: Path, *, settings: dict[str, object], fitted_on: int) -> Fitted:
    """The model with what it took since `begun`."""
    own = [tensor for name, tensor in model.state_dict().items() if not name.startswith("feature_extractor.")]
    return Fitted(
        predict=predictor(model),
        minutes=(time.perf_counter() - begun) / 60,
        artifact_bytes=sum(tensor.numel() * tensor.element_size() for tensor in own),
        backbone=f"{BACKBONE} {weights.stem}",
        settings=settings,
        fitted_on=fitted_on,
    )


def predictor(model: Model) -> Predict:
    """Anomalib's own score and map."""
    device = pick_device("auto")

    @torch.inference_mode()
    def predict(pixels: np.ndarray) -> tuple[float, Map]:
        seen = model(normalised(stack([pixels], device)))
        return float(seen.pred_score), seen.anomaly_map[0, 0].cpu().numpy()

    return predict
