"""`python -m training inspect|compare|graph`: what published versions say of pictures, with no service running.

In: options of the command line. Out: lines and tables on stdout, one file where it is asked for; `graph`: a version.
Refuses: what training.inspection, training.compare and training.add_graph draw.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model_store.manifest import GRAPH

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


def compare_versions(
    before: Annotated[str, typer.Argument(help="`product@1`; without a version, the active one.", show_default=False)],
    after: Annotated[str, typer.Argument(help="`product@2`: another version of it.", show_default=False)],
    data: Annotated[Path, typer.Option(help="MVTec AD folder (its test pictures), or a folder of good pictures.")],
    store: Store = DEFAULT_STORE,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything to this file too.")] = None,
) -> None:
    """Put two versions of a product side by side on the same pictures, before one is activated."""
    from rich.console import Console  # noqa: PLC0415 -- torch takes seconds, and --help must not

    from training.compare import compare  # noqa: PLC0415
    from training.comparison_table import figures_table, pairs_table, to_json  # noqa: PLC0415
    from training.inspection import load_version  # noqa: PLC0415

    comparison = compare(load_version(store, before), load_version(store, after), data)
    console = Console(markup=False)  # a path may hold brackets
    for warning in comparison.warnings:
        console.print(f"warning: {warning}", style="yellow")
    console.print(figures_table(comparison), pairs_table(comparison))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(to_json(comparison), indent=2, allow_nan=False) + "\n", "utf-8")


def graph_version(
    reference: Annotated[
        str, typer.Argument(help="`product` (its active version) or `product@3`.", show_default=False)
    ],
    store: Store = DEFAULT_STORE,
    activate: Annotated[
        bool, typer.Option("--activate/--no-activate", help="Whether the new version serves at once.")
    ] = True,
) -> None:
    """Publish a version again with the graph of its backbone, by which ONNX Runtime computes it faster on a CPU."""
    from training.add_graph import add_graph  # noqa: PLC0415 -- torch takes seconds, and --help must not

    typer.echo(f"published {add_graph(store, reference, activate=activate)}, the same with {GRAPH}")


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
