"""How a product is trained: one TOML → TrainConfig, frozen, copied into the manifest.

In: a TOML file and `a.b=value` overrides. Out: TrainConfig. Refuses: unknown keys and bad values (`ConfigInvalid`).
What a detector is has one spelling, `detector.spec`; its classes are fields here, so that no default stands twice.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from detector.errors import SpecError
from detector.spec import (
    EAR_THRESHOLD_SIGMAS,
    DisjointSpec,
    EvidenceSpec,
    HideAs,
    InputSpec,
    SaliencyKind,
    TileSpec,
    UNetSpec,
)
from training.budget import parse_duration
from training.errors import ConfigInvalid

PRESETS = Path(__file__).parent / "configs"
GIVEN_AS_OPTIONS = frozenset({"product", "data", "store", "runs", "time_budget"})
CHANGES_NO_WEIGHT = frozenset({"data", "store", "runs", "promise", "review_rate", "golden_images"})

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SaliencyConfig(BaseModel):
    """Which pixels are hidden."""

    model_config = _FROZEN

    kind: SaliencyKind | Literal["auto"] = "auto"
    """`auto`: what the store's backbone can give, or `spectral`, which needs no weights."""
    threshold_sigmas: float = EAR_THRESHOLD_SIGMAS
    hide_as: HideAs = "mosaic"
    disjoint: DisjointSpec = Field(default_factory=DisjointSpec)


class AlignConfig(BaseModel):
    """Stage 0: whether parts are moved to where good parts lie before anything looks at them."""

    model_config = _FROZEN

    use: Literal["auto", "on", "off"] = "auto"
    """`auto`: where good parts that are held out fit much better for it (training/fit_align.py); never with tiles."""
    reach: Annotated[float, Field(gt=0, le=0.25)] = 1 / 16
    """Largest shift that is looked for, as a share of the input's shorter side."""
    turn: Annotated[float, Field(ge=0, le=180)] | Literal["auto"] = "auto"
    """Largest turn either way in degrees; 180 is any, 0 looks for shifts alone. `auto`: none, 15 or any, by the same
    held-out parts, also where `use` is on."""


class FitConfig(BaseModel):
    """Stage 1, the reconstruction network."""

    model_config = _FROZEN

    epochs: Positive = 20
    batch_size: Positive = 16
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    schedule: Literal["fixed", "step", "warm-up", "cosine", "sgdr"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    loss: Literal["ear", "riad"] = "ear"
    lamp: bool = True
    """Loss amplification (EAR eq. 5); RIAD's loss takes none."""
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Each picture is brightened or darkened by at most this share: a lamp is never quite the same."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """Inside the network while it is fitted; the weights, the loss and every score stay float32. `auto`: bf16 where the
    device multiplies it in hardware."""
    compile: bool = False
    """torch.compile: the first epoch takes a minute longer, the others less, on a GPU above all."""


class FaderConfig(BaseModel):
    """Stage 2, the attenuator."""

    model_config = _FROZEN

    enabled: bool = True
    loss: Literal["relative", "pairwise", "regression"] = "relative"
    patch: Positive = 8
    hidden: Positive = 64
    levels: tuple[int, ...] | Literal["all"] = "all"
    slope: float = 2.0
    shift: float = 3.0
    epochs: Positive = 10
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3


class SplitConfig(BaseModel):
    """Shares of the good training pictures; what is left fits the reconstruction network."""

    model_config = _FROZEN

    hold_out: Share = 0.2
    """Fits the attenuator and the evidence statistics."""
    calibrate: Share = 0.2
    """Sets the thresholds."""


class TrainConfig(BaseModel):
    """Everything that training is told. Two runs of equal config and data on one CPU give equal weights."""

    model_config = _FROZEN

    product: str
    data: Path
    store: Path = Path("var/models")
    runs: Path = Path("var/runs")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: str = "auto"
    """`auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`."""
    promise: Share = 0.05
    """Promised false-reject rate."""
    time_budget: Annotated[float, BeforeValidator(parse_duration)] | None = None
    """Wall-clock seconds for the whole of `fit`, or "10m"; chooses the number of epochs instead of fit.epochs."""
    review_rate: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of good parts that may go to a person instead."""
    golden_images: Annotated[int, Field(ge=1, le=64)] = 4
    backbone: str | None = None
    """Name or digest in the store; none: the only one there, if any."""
    mosaic_scale: Positive | Literal["auto"] = "auto"
    """Side of a tile in px; `auto` estimates it from the training pictures (EAR 3.4)."""
    input: InputSpec = Field(default_factory=InputSpec)
    tiles: TileSpec | None = None
    """Of pictures that are too large for the networks; `input` is then the whole picture's size (docs/adr/0014)."""
    align: AlignConfig = Field(default_factory=AlignConfig)
    saliency: SaliencyConfig = Field(default_factory=SaliencyConfig)
    unet: UNetSpec = Field(default_factory=UNetSpec)
    fader: FaderConfig = Field(default_factory=FaderConfig)
    evidence: EvidenceSpec = Field(default_factory=EvidenceSpec)
    features: Literal["auto", "as-told"] = "auto"
    """`auto` adds to `evidence.maps` features of the U-Net and of the store's backbone; where it has none,
    those of a fixed bank of filters, which needs no weights."""
    statistics: Literal["auto", "as-told"] = "auto"
    """`auto`: of features and residuals per location, pooled or by nearest neighbours, whichever finds synthetic
    defects in held-out good pictures best (training/choose_statistics.py); `as-told`: what `evidence` says."""
    fit: FitConfig = Field(default_factory=FitConfig)
    split: SplitConfig = Field(default_factory=SplitConfig)

    @model_validator(mode="after")
    def _check_tiles(self) -> Self:
        if self.tiles is not None and self.time_budget is not None:
            raise ValueError("a time budget knows whole pictures only: with tiles give fit.epochs instead")
        if self.tiles is not None and self.align.use == "on":
            raise ValueError("large pictures that are cut into tiles are not aligned: leave align.use=auto, or off")
        return self

    def weights_depend_on(self) -> dict[str, Any]:
        """What a checkpoint belongs to: all but what only thresholds, folders and golden pictures read."""
        return self.model_dump(mode="json", exclude=set(CHANGES_NO_WEIGHT))


def load_config(preset: str, options: Mapping[str, Any], overrides: Sequence[str]) -> TrainConfig:
    """`preset` names a file of training/configs or is a path; `options` and then `a.b=value` lines go over it."""
    fields = read_preset(preset)
    fields.update(options)
    for line in overrides:
        _override(fields, line)
    return parse_config(fields, what=preset)


def parse_config(fields: Mapping[str, Any], *, what: str) -> TrainConfig:
    """Objects as TOML or JSON give them → TrainConfig; `what` names their source in the error."""
    try:
        return TrainConfig.model_validate_json(json.dumps(fields, default=str))
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'config'}: {error['msg']}"
            for error in exc.errors(include_url=False, include_context=False, include_input=False)
        )
        raise ConfigInvalid(f"{what} is not valid: {problems}") from exc
    except SpecError as exc:
        raise ConfigInvalid(f"{what} is not valid: {exc}") from exc


def read_preset(preset: str) -> dict[str, Any]:
    """The tables of a preset or of a file, over those of the one that its `extends` names, and so on."""
    fields, seen = read_toml(preset), {preset}
    while (base := fields.pop("extends", None)) is not None:
        if not isinstance(base, str) or base in seen:
            raise ConfigInvalid(f"{preset}: extends = {base!r} leads back or names no preset")
        seen.add(base)
        fields = _laid_over(read_toml(base), fields)
    return fields


def read_toml(preset: str) -> dict[str, Any]:
    """The tables of a preset or of a file."""
    file = PRESETS / f"{preset}.toml"
    if not file.is_file():
        file = Path(preset)
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as exc:
        names = ", ".join(sorted(path.stem for path in PRESETS.glob("*.toml")))
        raise ConfigInvalid(f"{preset!r} is neither a file nor one of {names}") from exc
    except ValueError as exc:
        raise ConfigInvalid(f"{file} is no TOML: {exc}") from exc


def _laid_over(base: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `fields` in place of its own; tables are joined key by key."""
    joined = dict(base)
    for key, value in fields.items():
        old = joined.get(key)
        joined[key] = _laid_over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return joined


def _override(fields: dict[str, Any], line: str) -> None:
    key, equals, text = line.partition("=")
    *tables, name = key.strip().split(".")
    if not equals or not name:
        raise ConfigInvalid(f"--set takes key=value, as in fit.epochs=30, not {line!r}")
    if not tables and name in GIVEN_AS_OPTIONS:
        raise ConfigInvalid(f"{name} has an option of its own: --{name.replace('_', '-')}")
    table = fields
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigInvalid(f"--set {line}: {part} holds a value, not keys")
    table[name] = _toml_value(text.strip())


def _toml_value(text: str) -> Any:
    """A TOML value; a bare word is a string, so that nobody has to quote quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
