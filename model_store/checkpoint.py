"""A file of pretrained weights → tensors that fit a timm network exactly.

In: bytes of a .safetensors, or of a .pth / .pt, whose pickle is read by torch's weights-only reader: no code in it
runs. Out: the network's whole state dict. Refuses (`BackboneInvalid`): anything that does not fit.
"""

import argparse
import io
import pickle
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from model_store.errors import BackboneInvalid

WRAPPERS = (
    "teacher",
    "model",
    "state_dict",
)  # where checkpoints keep their weights; DINO's scores come from the teacher
PREFIXES = ("module.", "backbone.")  # of data parallel training, and of DINO's multi-crop wrapper
COUNTER = "num_batches_tracked"  # a batch norm's step counter: no score depends on it, and many files leave it out
NOT_A_CHECKPOINT = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError
)  # fmt: skip


def read_checkpoint(data: bytes, suffix: str) -> dict[str, Tensor]:
    """Tensors of a file by its suffix, wrappers and prefixes removed."""
    match suffix:
        case ".safetensors":
            return _read_safetensors(data)
        case ".pth" | ".pt":
            return _unwrap(_read_pickle(data))
    raise BackboneInvalid(f"{suffix or 'no suffix'} is neither .safetensors nor .pth or .pt")


def fit_to(network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The state dict of `network` with these tensors: classifier heads dropped, step counters completed."""
    wanted = network.state_dict()
    heads = ("head.", *(f"{head}." for head in _classifiers(network)))
    given = {key: tensor for key, tensor in tensors.items() if key in wanted or not key.startswith(heads)}
    if unknown := sorted(given.keys() - wanted.keys()):
        raise BackboneInvalid(f"{len(unknown)} tensors belong to no part of {name!r}: {', '.join(unknown[:3])}")
    missing = sorted(key for key in wanted.keys() - given.keys() if not key.endswith(COUNTER))
    if missing:
        raise BackboneInvalid(f"{name!r} needs {len(missing)} tensors more: {', '.join(missing[:3])}")
    return {key: _fit_tensor(key, given.get(key), tensor) for key, tensor in wanted.items()}


def _fit_tensor(key: str, given: Tensor | None, wanted: Tensor) -> Tensor:
    if given is None:
        return torch.zeros_like(wanted)
    if given.shape != wanted.shape or given.is_floating_point() != wanted.is_floating_point():
        raise BackboneInvalid(f"{key} is {given.dtype} {tuple(given.shape)}; the network has {tuple(wanted.shape)}")
    if not torch.isfinite(given).all():
        raise BackboneInvalid(f"{key} holds NaN or infinity")
    return given.detach().to(wanted.dtype).contiguous()


def _classifiers(network: nn.Module) -> tuple[str, ...]:
    """timm's names of the heads that num_classes=0 removes."""
    classifier = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def _read_safetensors(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, KeyError, ValueError) as exc:
        raise BackboneInvalid(f"this is no safetensors file: {exc}") from exc


def _read_pickle(data: bytes) -> Any:
    try:
        # DINO's full checkpoints carry their command line; a Namespace holds values and runs nothing
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except NOT_A_CHECKPOINT as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise BackboneInvalid(f"this is no checkpoint that can be read without running code from it: {reason}") from exc


def _unwrap(value: Any) -> dict[str, Tensor]:
    while isinstance(value, dict) and (wrapper := next((key for key in WRAPPERS if key in value), None)):
        value = value[wrapper]
    if not isinstance(value, dict) or not all(_is_weight(*item) for item in value.items()):
        raise BackboneInvalid("this checkpoint holds no plain mapping of names to tensors")
    for prefix in PREFIXES:
        value = _strip(value, prefix)
    tensors: dict[str, Tensor] = value
    return tensors


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor) and value.layout == torch.strided


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Where some names begin with `prefix`, keep those and drop what stands beside them (projection heads)."""
    inside = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return inside or tensors
