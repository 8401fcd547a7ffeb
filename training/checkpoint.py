"""A fit in the middle of its way, on disk: one safetensors file whose header carries the history as JSON.

In: a network, its optimizer and the history. Out: the same, filled in place.
Written to a sibling and renamed, so a kill leaves the old one or the new one.
Refuses: a file that is no checkpoint (`CheckpointUnreadable`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from training.errors import CheckpointUnreadable

RECORD = "record"  # key of the JSON in the safetensors header
MODEL = "model."
STATE = "optimizer."


def save_checkpoint(file: Path, model: nn.Module, optimizer: Optimizer, history: list[dict[str, Any]]) -> None:
    """Replace `file` with the state of `model` and `optimizer` after the epochs in `history`."""
    tensors = {MODEL + name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{STATE}{index}.{name}": tensor.cpu().contiguous() for name, tensor in state.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    sibling = file.with_suffix(".partial")
    save_file(tensors, sibling, metadata={RECORD: json.dumps(history)})
    sibling.replace(file)


def load_checkpoint(file: Path, model: nn.Module, optimizer: Optimizer) -> list[dict[str, Any]]:
    """Fill `model` and `optimizer` in place and return the history; an empty one where there is no checkpoint."""
    if not file.exists():
        return []
    try:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- not a mapping
            history: list[dict[str, Any]] = json.loads(opened.metadata()[RECORD])
        model.load_state_dict({name.removeprefix(MODEL): t for name, t in tensors.items() if name.startswith(MODEL)})
        _load_optimizer(optimizer, {n.removeprefix(STATE): t for n, t in tensors.items() if n.startswith(STATE)})
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as exc:
        raise CheckpointUnreadable(f"{file} is no checkpoint of this fit ({exc}); start over with --fresh") from exc
    return history


def _load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
