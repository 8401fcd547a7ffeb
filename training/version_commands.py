"""`python -m training inspect|compare`: what published versions say of pictures, with no service running.

In: options of the command line. Out: lines and tables on stdout, one file where it is asked for. Refuses: what
training.inspection and training.compare draw.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # they import torch, which takes seconds, and --help must not
    from model_store.artifact import LoadedModel
    from training.inspection import Inspected

Store = Annotated[Path, typer.Option(help="Model store that holds the version.")]
DEFAULT_STORE = Path("var/models")


def inspect_pictures(
    images: Annotated[list[Path], typer.Argument(help="Picture files.", show_default=False)],
    product: Annotated[str, typer.Option(help="`product` (its active version) or `product@3`.")],
    store: Store = DEFAULT_STORE,
    out: Annotated[Path, typer.Option(help="PNG to write: every step from the part to its map.")] = Path("strip.png"),
) -> None:
    """Say what a version makes of pictures, as the service would, and draw how it came to that."""
    from detector.heatmap import encode_png  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.inspection import inspect_file, load_version  # noqa: PLC0415
    from training.strip import draw_strip  # noqa: PLC0415

    model = load_version(store, product)
    _print_version(model)
    parts = [inspect_file(model, image) for image in images]
    for part in parts:
        _print_part(part)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode_png(draw_strip(model, parts)))
    typer.echo(f"every step: {out}")


def _print_version(model: "LoadedModel") -> None:
    from training.inspection import name_of  # noqa: PLC0415 -- torch takes seconds, and --help must not

    calibration = model.manifest.calibration
    typer.echo(
        f"{name_of(model)}: ng above {calibration.ng_above:.6g}, review above {calibration.review_above:.6g}, "
        f"at most {calibration.promise:.1%} of good parts promised to be rejected"
    )


def _print_part(part: "Inspected") -> None:
    from training.plain_words import verdict_words  # noqa: PLC0415 -- torch takes seconds, and --help must not

    typer.echo(f"{part.path}: {verdict_words(part.judgement)}")
    for region in part.regions:
        typer.echo(f"  {region.width}x{region.height} px at x {region.x}, y {region.y}: peak {region.peak:.6g}")
