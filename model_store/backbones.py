"""Frozen backbones, kept once for all products: `<root>/<sha256>/{backbone.json,weights.safetensors}`.

In: a file of pretrained weights, or a timm name to download. Out: a `BackboneSpec`, and tensors whose hash was
checked. Refuses: weights that do not fit the named network (`BackboneInvalid`), references that fit none or two.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import safetensors.torch
import timm
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from detector.backbone import Backbone, build_backbone, create_network
from detector.errors import SpecError
from detector.pipeline import TorchEngine
from detector.spec import BackboneSpec
from model_store.checkpoint import fit_to, read_checkpoint
from model_store.disk import read_capped, subfolders, write_folder
from model_store.errors import (
    AmbiguousBackbone,
    BackboneInvalid,
    HashMismatch,
    HubUnavailable,
    MissingFile,
    UnknownBackbone,
    VersionExists,
)
from model_store.manifest import BACKBONE_NAME, WEIGHTS
from model_store.strict_json import parse_object, to_bytes

DESCRIPTION = "backbone.json"
MAX_DESCRIPTION_BYTES = 64 << 10
MAX_WEIGHTS_BYTES = 2 << 30
MIN_PREFIX = 8  # hex digits; shorter ones become ambiguous as a store grows

Triple = tuple[float, float, float]
_SPEC = TypeAdapter(BackboneSpec)


@dataclass(frozen=True)
class Place:
    """Where, and for what, a network is in memory."""

    height: int
    """Of the pictures that it sees, in px."""
    width: int
    device: str
    engine: TorchEngine
    """What arranges it, and may do so again: twice is as once."""


_BUILT: WeakValueDictionary[tuple[BackboneSpec, Place], Backbone] = WeakValueDictionary()
_BUILDING = Lock()


class BackboneStore:
    """The `backbones` folder of a model store. Holds nothing in memory itself; see `network`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self) -> tuple[BackboneSpec, ...]:
        """Every backbone, by name and digest."""
        digests = (name for name in subfolders(self._root) if re.fullmatch(r"[0-9a-f]{64}", name))
        return tuple(sorted(map(self.spec, digests), key=lambda spec: (spec.name, spec.digest)))

    def spec(self, digest: str) -> BackboneSpec:
        """What is known of the backbone of this full digest; `UnknownBackbone` if it is not here."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise UnknownBackbone(f"{digest!r} is no SHA-256")
        try:
            data = read_capped(self._root / digest / DESCRIPTION, MAX_DESCRIPTION_BYTES)
        except MissingFile as exc:
            raise UnknownBackbone(
                f"backbone {digest[:12]} is not in {self._root}; `python -m model_store import-backbone` puts one there"
            ) from exc
        return _parse_description(data, digest)

    def load(self, digest: str) -> dict[str, Tensor]:
        """The tensors, as `timm.create_model(name, num_classes=0)` names them, after their hash was checked."""
        self.spec(digest)
        data = read_capped(self._root / digest / WEIGHTS, MAX_WEIGHTS_BYTES)
        if hashlib.sha256(data).hexdigest() != digest:
            raise HashMismatch(f"the weights of backbone {digest[:12]} were changed")
        return read_checkpoint(data, ".safetensors")

    def network(self, spec: BackboneSpec, place: Place) -> Backbone:
        """One network for all that hold it in one place at this moment: nobody may change it but as its engine does.

        Raises what `load` does, `WeightsMismatch` and `SpecError`.
        """
        with _BUILDING:
            backbone = _BUILT.get((spec, place))
            if backbone is None:
                weights = self.load(spec.digest)
                backbone = build_backbone(spec, weights, height=place.height, width=place.width).to(place.device)
                _BUILT[spec, place] = backbone
            return backbone

    def find(self, reference: str) -> BackboneSpec:
        """By digest, by at least 8 of its first digits, or by timm name."""
        is_prefix = re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},64}}", reference)
        found = [
            spec for spec in self.list() if spec.name == reference or (is_prefix and spec.digest.startswith(reference))
        ]
        if not found:
            raise UnknownBackbone(f"no backbone {reference!r} in {self._root}")
        if len(found) > 1:
            digests = ", ".join(spec.digest[:12] for spec in found)
            raise AmbiguousBackbone(f"{reference!r} could be {digests}; name one by its digest")
        return found[0]

    def default(self) -> BackboneSpec | None:
        """The only backbone of the store; None when there is none, or a choice."""
        specs = self.list()
        return specs[0] if len(specs) == 1 else None

    def import_file(
        self, file: Path, *, name: str, mean: Triple | None = None, std: Triple | None = None, pad_type: str = ""
    ) -> BackboneSpec:
        """Store a .safetensors, .pth or .pt as weights of timm's `name`. Runs no code from the file.

        `mean` and `std` of an RGB picture in [0, 1]; timm's for that name unless given. Raises `BackboneInvalid`.
        """
        network = _create(name, pad_type)
        tensors = read_checkpoint(read_capped(file, MAX_WEIGHTS_BYTES), file.suffix.lower())
        return self._store(network, fit_to(network, tensors, name), name=name, mean=mean, std=std, pad_type=pad_type)

    def import_hub(self, name: str) -> BackboneSpec:
        """Download timm's pretrained weights of `name`; `HubUnavailable` when that fails."""
        _create(name, "")
        try:
            network = timm.create_model(name, pretrained=True, num_classes=0)
        except (OSError, RuntimeError, ValueError) as exc:  # every failure of the hub's client is an OSError
            raise HubUnavailable(f"timm's weights of {name!r} cannot be downloaded: {_first_line(exc)}") from exc
        tensors = fit_to(network, network.state_dict(), name)
        return self._store(network, tensors, name=name, mean=None, std=None, pad_type="")

    def _store(
        self,
        network: nn.Module,
        tensors: dict[str, Tensor],
        *,
        name: str,
        mean: Triple | None,
        std: Triple | None,
        pad_type: str,
    ) -> BackboneSpec:
        data = safetensors.torch.save(tensors)
        published: Any = network.pretrained_cfg  # timm's own record of how the weights were made
        fields = {
            "name": name,
            "digest": hashlib.sha256(data).hexdigest(),
            "mean": mean or published["mean"],
            "std": std or published["std"],
            "pad_type": pad_type,
        }
        spec = _validate(fields)
        folder = self._root / spec.digest
        try:
            write_folder(folder, {WEIGHTS: data, DESCRIPTION: to_bytes({"format_version": 1, **fields})})
        except VersionExists as exc:
            if self.spec(spec.digest) != spec:
                raise BackboneInvalid(f"{folder} holds these weights with other constants than {spec}") from exc
        return spec


def _create(name: str, pad_type: str) -> nn.Module:
    if not BACKBONE_NAME.fullmatch(name):
        raise BackboneInvalid(f"{name!r} is no timm name")
    try:
        return create_network(name, pad_type)
    except SpecError as exc:
        raise BackboneInvalid(str(exc)) from exc


def _parse_description(data: bytes, digest: str) -> BackboneSpec:
    fields = parse_object(data, DESCRIPTION)
    if fields.pop("format_version", None) != 1:
        raise BackboneInvalid(f"{DESCRIPTION} of {digest[:12]} is of a format that this program does not read")
    spec = _validate(fields)
    if spec.digest != digest:
        raise BackboneInvalid(f"{DESCRIPTION} of {digest[:12]} speaks of {spec.digest[:12]}")
    return spec


def _validate(fields: dict[str, object]) -> BackboneSpec:
    try:
        spec = _SPEC.validate_python(fields, extra="forbid")
    except ValidationError as exc:
        raise BackboneInvalid(f"{DESCRIPTION} is not valid: {exc.errors(include_url=False)[0]['msg']}") from exc
    if not BACKBONE_NAME.fullmatch(spec.name) or min(spec.std) <= 0:
        raise BackboneInvalid(f"{DESCRIPTION} needs a timm name and positive deviations")
    return spec


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
