"""What a detector is: every choice that changes a score, and nothing else.

In: nothing. Out: frozen dataclasses that are written into an artifact and rebuilt from it.
Refuses: a combination that no detector can be built from (`SpecError`), at construction.
Imports no torch, so that a process that only reads manifests stays light.
"""

from dataclasses import dataclass, field
from typing import Literal

from detector.errors import SpecError

EAR_THRESHOLD_SIGMAS = 0.674  # EAR 3.2: upper quartile of a Gaussian

PadType = Literal["", "same"]
Resample = Literal["box", "bilinear", "bicubic", "lanczos"]
SaliencyKind = Literal["attention", "activation", "spectral", "whole", "none", "disjoint"]
HideAs = Literal["mosaic", "removed"]
FeatureSource = Literal["encoder", "filters", "backbone"]
EvidenceMap = Literal["msgms", "l1", "ssim"] | FeatureSource
FEATURES: tuple[FeatureSource, ...] = ("encoder", "filters", "backbone")
COARSEST_OCTAVE = 5  # of filters: a wave of 128 px
KINDS_OF_TILES: tuple[SaliencyKind, ...] = ("spectral", "whole", "none")  # no network looks, so nothing has to be cut
Statistics = Literal["per-location", "pooled", "nearest"]
Standardise = Literal["none", "pooled", "per-location"]
LARGEST_BANK = 65_536  # vectors: 13 MB of 100 dimensions, and a comparison with each in every cell
Fuse = Literal["weighted", "mean", "max"]
Reduce = Literal["max", "top-mean", "window-top-mean"]
SMALLEST_SIDE, LARGEST_SIDE = 32, 8192  # px of the input: 20 megapixels fit in
TILE_STEP = 32  # px: what tiles begin and end on, so that every stride up to here meets its own grid in each of them


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The picture as the networks see it: RGB, `height` x `width` px, stretched to fit."""

    height: int = 256
    width: int = 256
    resample: Resample = "bilinear"
    jpeg_scale_margin: int = 2
    """A JPEG is decoded at 1/2, 1/4 or 1/8 while both sides stay at least this many times the input; 0 = never."""

    def __post_init__(self) -> None:
        if any(not SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (self.height, self.width)):
            raise SpecError(
                f"input must be {SMALLEST_SIDE} to {LARGEST_SIDE} px a side, not {self.width}x{self.height}"
            )
        if not 0 <= self.jpeg_scale_margin <= 8:
            raise SpecError(f"jpeg_scale_margin must be 0 to 8, not {self.jpeg_scale_margin}")


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A frozen timm network; its weights live in the model store, named by their SHA-256."""

    name: str
    digest: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pad_type: PadType = ""


@dataclass(frozen=True, kw_only=True)
class DisjointSpec:
    """RIAD: the picture's cells are dealt into sets; each set is hidden once and rebuilt from the others."""

    cells: tuple[int, ...] = (2, 4, 8, 16)
    """Sides in input pixels; one reconstruction for each."""
    sets: int = 3
    seed: int = 0
    """Deals the cells; the same for every picture, so that nothing is random when a part is scored."""

    def __post_init__(self) -> None:
        once = len(set(self.cells)) == len(self.cells)
        if not (1 <= len(self.cells) <= 8 and once and min(self.cells) >= 1):
            raise SpecError(f"disjoint.cells must name 1 to 8 positive sides, each once, not {self.cells}")
        if not 2 <= self.sets <= 8 or self.seed < 0:
            raise SpecError(f"disjoint.sets must be 2 to 8 and its seed 0 or more, not {self.sets}, {self.seed}")


@dataclass(frozen=True, kw_only=True)
class SaliencySpec:
    """Which pixels are hidden, and how."""

    kind: SaliencyKind = "spectral"
    threshold_sigmas: float = EAR_THRESHOLD_SIGMAS
    """A pixel is salient when its saliency exceeds mean + this many standard deviations of its own image."""
    hide_as: HideAs = "mosaic"
    """`removed` pixels are 0: RIAD, and EAR without obfuscation."""
    disjoint: DisjointSpec = field(default_factory=DisjointSpec)
    """Of kind `disjoint`; no other reads it."""


@dataclass(frozen=True, kw_only=True)
class UNetSpec:
    """EAR 4.1: one encoder block per width but the last, which is the bottleneck."""

    widths: tuple[int, ...] = (16, 32, 64, 128)
    kernel: Literal[3, 5] = 3
    skip_off: tuple[int, ...] = ()
    """Skip connections that are open while training and cut when a part is scored (EAR v1); 0 is the finest."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.widths) <= 7 or any(width < 1 for width in self.widths):
            raise SpecError(f"unet.widths must be 2 to 7 positive numbers, not {self.widths}")
        if any(not 0 <= level < len(self.widths) - 1 for level in self.skip_off):
            raise SpecError(f"unet.skip_off must be 0 to {len(self.widths) - 2}, not {self.skip_off}")

    @property
    def stride(self) -> int:
        """Pixels of the input behind one pixel of the bottleneck; divides the input's sides."""
        return 1 << (len(self.widths) - 1)


@dataclass(frozen=True, kw_only=True)
class FaderSpec:
    """FADeR: patch side, hidden units, and how a predicted error becomes a gate in [0, 1] (ours, docs/method.md)."""

    patch: int = 8
    hidden: int = 64
    levels: tuple[int, ...] = (0, 1, 2)
    """Skip connections that are attenuated; 0 is the finest."""
    slope: float = 2.0
    shift: float = 3.0
    """gate = 1 - sigmoid(slope * (z - shift)), z the predicted error in standard deviations of good patches."""

    def __post_init__(self) -> None:
        if self.patch < 2 or self.hidden < 1:
            raise SpecError(f"fader.patch must be 2 or more and fader.hidden positive, not {self.patch}, {self.hidden}")


@dataclass(frozen=True, kw_only=True)
class AlignSpec:
    """Parts that arrive shifted or turned are moved to where good parts lie before anything looks at them
    (detector/align.py, detector/turn.py)."""

    reach: int = 16
    """Largest shift that is looked for, up, down, left and right, in input pixels."""
    turn: float = 0.0
    """Largest turn that is looked for, either way, in degrees; 180 is any, 0 none, and then shifts are whole pixels."""
    stretch: float = 1.0
    """How wide a pixel of the input is, where it is 1 high, in the pictures that were sent: what is stretched to fit
    shears as it turns. Not read without a turn."""

    def __post_init__(self) -> None:
        if not 1 <= self.reach <= 256:
            raise SpecError(f"align.reach must be 1 to 256 px, not {self.reach}")
        if not 0 <= self.turn <= 180:
            raise SpecError(f"align.turn must be 0 to 180 degrees, not {self.turn}")
        if not 1 / 16 <= self.stretch <= 16:
            raise SpecError(f"align.stretch must be 1/16 to 16, not {self.stretch}")

    @property
    def is_any_turn(self) -> bool:
        """Whether parts may lie anyhow."""
        return self.turn == 180


@dataclass(frozen=True, kw_only=True)
class TileSpec:
    """A picture that is too large for the networks is shown to them in tiles; all else sees the whole of it."""

    side: int = 1024
    """Longest side, in input pixels, of what one tile answers for."""
    overlap: int = 128
    """Input pixels that it sees beyond that on every side; what it says of them is thrown away. Where features look no
    further, as those that are read by default hardly do, the map is that of the whole picture."""

    def __post_init__(self) -> None:
        if not TILE_STEP <= self.side <= LARGEST_SIDE or not 0 <= self.overlap <= self.side:
            raise SpecError(
                f"tiles.side must be {TILE_STEP} to {LARGEST_SIDE} px and tiles.overlap 0 to tiles.side, not "
                f"{self.side}, {self.overlap}"
            )
        if self.side % TILE_STEP or self.overlap % TILE_STEP:
            raise SpecError(
                f"tiles.side and tiles.overlap must be multiples of {TILE_STEP} px, not {self.side}, {self.overlap}"
            )


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Features of a network as evidence: their distance from those of good parts (ours, after PaDiM)."""

    levels: tuple[int, ...]
    """Depths that are read, 0 is the finest: of the U-Net its skips and its bottleneck, of a backbone timm's stages."""
    stride: int = 16
    """Input pixels behind one cell of the grid on which vectors are compared."""
    dimensions: int = 160
    """Principal directions that are kept."""
    shrinkage: float = 0.02
    """Weight of the pooled covariance, in [0, 1]."""
    statistics: Statistics = "per-location"
    """`pooled`: one distribution for all places, for parts that do not lie alike; `nearest`: a bank of vectors that
    good parts have anywhere, for parts in any pose."""
    bank: int = 4000
    """Vectors in that bank; no other kind reads it."""
    surround: int = 0
    """Side, in cells and odd, of the surroundings whose mean energy a vector is divided by, so that neither lamp nor
    finish of a part is evidence (divisive normalisation); 0: it is not."""

    def __post_init__(self) -> None:
        if self.surround < 0 or (self.surround and self.surround % 2 == 0):
            raise SpecError(f"surround must be 0 or odd, not {self.surround}")
        if not 1 <= self.bank <= LARGEST_BANK:
            raise SpecError(f"bank must be 1 to {LARGEST_BANK} vectors, not {self.bank}")
        if not self.levels or min(self.levels) < 0 or len(set(self.levels)) != len(self.levels):
            raise SpecError(f"levels must name at least one depth, each once, not {self.levels}")
        if not 1 <= self.stride <= 64 or not 1 <= self.dimensions <= 1024 or not 0 <= self.shrinkage <= 1:
            raise SpecError(f"stride must be 1 to 64, dimensions 1 to 1024 and shrinkage a share, not {self}")


@dataclass(frozen=True, kw_only=True)
class FilterSpec(FeatureSpec):
    """A fixed bank of wavelets as evidence (detector/filters.py); its levels are octaves, 0 the one of 4 px a wave."""

    orientations: int = 6
    """Directions in half a turn."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.levels) > COARSEST_OCTAVE:
            raise SpecError(f"filters.levels must be octaves 0 to {COARSEST_OCTAVE}, not {self.levels}")
        if not 1 <= self.orientations <= 16:
            raise SpecError(f"filters.orientations must be 1 to 16, not {self.orientations}")

    @property
    def channels(self) -> int:
        """Three colours, the directions of each octave, and theirs in turn of each but the coarsest."""
        octaves = len(self.levels)
        return 3 + octaves * self.orientations + (octaves - 1) * self.orientations**2


def _fine(levels: tuple[int, ...]) -> FeatureSpec:
    """What found most on the products at hand (docs/method.md)."""
    return FeatureSpec(levels=levels, stride=8, dimensions=100, surround=9)


def _filters() -> FilterSpec:
    """The same of waves of 4 to 32 px."""
    return FilterSpec(levels=(0, 1, 2, 3), stride=8, dimensions=100, surround=9)


@dataclass(frozen=True, kw_only=True)
class EvidenceSpec:
    """maps -> standardise -> fuse -> smooth -> reduce."""

    maps: tuple[EvidenceMap, ...] = ("msgms", "l1")
    """`msgms`, `l1`, `ssim`: residuals; `encoder`, `filters`, `backbone`: features."""
    msgms_scales: int = 3
    encoder: FeatureSpec = field(default_factory=lambda: _fine((1, 2, 3)))
    """Of the U-Net's own encoder, looking at the picture; read where `maps` names it."""
    filters: FilterSpec = field(default_factory=_filters)
    """Of a fixed bank of wavelets, which needs no weights; read where `maps` names it."""
    backbone: FeatureSpec = field(default_factory=lambda: _fine((1, 2, 3)))
    """Of the frozen backbone, looking at the picture; read where `maps` names it."""
    standardise: Standardise = "per-location"
    """Of residuals; features are distances in the measure of their own place already, and only pooled."""
    fuse: Fuse = "weighted"
    """`weighted`: weights that sum to 1, set on synthetic defects in good pictures, so without labels (ours)."""
    smooth: int = 5
    """Side of the box filter over the fused map, in input pixels, odd; 1 = none."""
    reduce: Reduce = "top-mean"
    top_fraction: float = 0.05
    """Share of the pixels that `top-mean` averages, of the picture or of each window; `max` does not read it."""
    window: int = 256
    """Side, in input pixels, of the windows of `window-top-mean`: the score is that of the highest of them, so a small
    defect in a large picture does not drown in it."""

    def __post_init__(self) -> None:
        if not self.maps or len(set(self.maps)) != len(self.maps):
            raise SpecError(f"evidence.maps must name each map once and at least one, not {self.maps}")
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise SpecError(f"evidence.smooth must be odd and positive, not {self.smooth}")
        if not 1 <= self.msgms_scales <= 5:
            raise SpecError(f"evidence.msgms_scales must be 1 to 5, not {self.msgms_scales}")
        if not 0 < self.top_fraction <= 1:
            raise SpecError(f"evidence.top_fraction must be in (0, 1], not {self.top_fraction}")
        if self.window < 1:
            raise SpecError(f"evidence.window must be positive, not {self.window}")

    @property
    def residuals(self) -> tuple[EvidenceMap, ...]:
        """The maps that compare a picture with its reconstruction."""
        return tuple(name for name in self.maps if name not in FEATURES)


Sight = tuple[BackboneSpec, tuple[int, int], SaliencySpec | None, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """Everything that says what this model is. Two detectors of equal spec and weights give equal scores."""

    input: InputSpec = field(default_factory=InputSpec)
    backbone: BackboneSpec | None = None
    saliency: SaliencySpec = field(default_factory=SaliencySpec)
    mosaic_scale: int = 8
    """Side of a mosaic tile in input pixels (EAR eq. 1: m)."""
    unet: UNetSpec = field(default_factory=UNetSpec)
    fader: FaderSpec | None = field(default_factory=FaderSpec)
    evidence: EvidenceSpec = field(default_factory=EvidenceSpec)
    align: AlignSpec | None = None
    """None: parts are taken as they lie."""
    tiles: TileSpec | None = None
    """None: the networks see the whole picture at once."""

    def __post_init__(self) -> None:
        sides = (self.input.height, self.input.width)
        if any(side % self.unet.stride for side in sides):
            raise SpecError(f"input {sides} must be divisible by {self.unet.stride}, the U-Net's stride")
        if not 1 <= self.mosaic_scale <= min(sides):
            raise SpecError(f"mosaic_scale must be 1 to {min(sides)}, not {self.mosaic_scale}")
        if self.saliency.kind in ("attention", "activation") and self.backbone is None:
            raise SpecError(f"saliency {self.saliency.kind!r} needs a backbone")
        if "backbone" in self.evidence.maps and self.backbone is None:
            raise SpecError("evidence from a backbone needs one")
        if "encoder" in self.evidence.maps and max(self.evidence.encoder.levels) >= len(self.unet.widths):
            raise SpecError(f"evidence.encoder.levels must be 0 to {len(self.unet.widths) - 1}")
        smallest = min(sides)
        if self.saliency.kind == "disjoint" and any(cell * 2 > smallest for cell in self.saliency.disjoint.cells):
            raise SpecError(f"disjoint.cells must be at most half of {smallest} px, not {self.saliency.disjoint.cells}")
        self._check_align()
        if self.fader is not None:
            self._check_fader(self.fader)
        self._check_tiles()

    @property
    def sight(self) -> Sight | None:
        """Products of equal `sight` see alike, so their placed pictures may be seen together; None where no backbone
        is read: what is left of seeing then is cheap; nor of large pictures, which are seen tile by tile."""
        saliency = self.saliency if self.evidence.residuals else None
        hides_by_it = saliency is not None and saliency.kind in ("attention", "activation")
        from_backbone = "backbone" in self.evidence.maps
        if self.tiles is not None or self.backbone is None or not (from_backbone or hides_by_it):
            return None
        levels = self.evidence.backbone.levels if from_backbone else ()
        return self.backbone, (self.input.height, self.input.width), saliency, levels

    def _check_align(self) -> None:
        smallest = min(self.input.height, self.input.width)
        if self.align is not None and self.align.reach > smallest // 4:
            raise SpecError(f"align.reach must be at most a quarter of {smallest} px, not {self.align.reach}")

    def _check_fader(self, fader: FaderSpec) -> None:
        skips = len(self.unet.widths) - 1
        if any(not 0 <= level < skips for level in fader.levels):
            raise SpecError(f"fader.levels must be 0 to {skips - 1}, not {fader.levels}")
        if self.input.height % fader.patch or self.input.width % fader.patch:
            raise SpecError(f"fader.patch {fader.patch} must divide the input's sides")

    def _check_tiles(self) -> None:
        if self.tiles is None:
            return
        if self.saliency.kind not in KINDS_OF_TILES:
            raise SpecError(
                f"with tiles saliency.kind must be one of {', '.join(KINDS_OF_TILES)}, not {self.saliency.kind}"
            )
        if self.align is not None:
            raise SpecError("large pictures that are cut into tiles are not aligned: set align.use=off")
        patch = 1 if self.fader is None else self.fader.patch
        if TILE_STEP % self.unet.stride or TILE_STEP % patch:
            raise SpecError(
                f"the U-Net's stride {self.unet.stride} and fader.patch {patch} must divide {TILE_STEP} px, the step "
                "of tiles"
            )
        grids = [getattr(self.evidence, name).stride for name in FEATURES if name in self.evidence.maps]
        steps = [1 << (self.evidence.msgms_scales - 1), *grids]
        steps += [1 << max(self.evidence.filters.levels)] if "filters" in self.evidence.maps else []
        if odd := [step for step in steps if TILE_STEP % step or self.input.height % step or self.input.width % step]:
            raise SpecError(
                f"with tiles, cells of {odd[0]} px must divide {TILE_STEP} px and both sides of the input, "
                f"{self.input.width}x{self.input.height}"
            )
