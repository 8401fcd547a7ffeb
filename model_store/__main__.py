"""`python -m model_store`: what is in the store, which version is active, and does it still score as exported.

In: a command line. Out: lines on stdout, exit code 0; or one line on stderr and exit code 2.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from model_store.errors import ArtifactError
from model_store.manifest import read_manifest
from model_store.registry import Registry, VersionRef

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The model store: versions of products, and the frozen backbones that they share.\n\n"
    "A version is written once by `python -m training export` and never edited. A product resolves to its active "
    "version; activating and rolling back replace one small file, so a running service never sees a half-made change.",
)


class PadType(StrEnum):
    """How a network pads, where it is not timm's own way."""

    SAME = "same"


Store = Annotated[Path, typer.Option(help="Folder of the model store.")]
Product = Annotated[str, typer.Argument(help="Name of the product, for example solar-mono.", show_default=False)]
DEFAULT_STORE = Path("var/models")


@cli.command("list")
def list_versions(store: Store = DEFAULT_STORE) -> None:
    """Show products with their versions (* is the active one), and backbones."""
    from model_store.backbones import BackboneStore  # noqa: PLC0415 -- torch takes seconds, and --help must not

    registry = Registry(store)
    for product in registry.products():
        active = registry.active(product)
        for version in registry.versions(product):
            typer.echo(_describe(registry.resolve(f"{product}@{version}"), mark="*" if version == active else " "))
    for spec in BackboneStore(registry.backbones_root).list():
        typer.echo(f"  backbone {spec.digest[:12]} {spec.name}{' pad_type=same' if spec.pad_type else ''}")


@cli.command()
def activate(
    product: Product,
    version: Annotated[int, typer.Argument(help="Number of the version.", show_default=False)],
    store: Store = DEFAULT_STORE,
) -> None:
    """Make one version the one that the service uses for the product."""
    typer.echo(f"{Registry(store).activate(product, version)} is active")


@cli.command("roll-back")
def roll_back(product: Product, store: Store = DEFAULT_STORE) -> None:
    """Return to the version that was active before."""
    typer.echo(f"{Registry(store).roll_back(product)} is active")


@cli.command()
def verify(
    references: Annotated[
        list[str] | None, typer.Argument(help="`product` or `product@3`.", show_default=False)
    ] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Load versions and score their golden pictures again, as the service does; without arguments, all of the store."""
    import torch  # noqa: PLC0415 -- it takes seconds, and --help must not

    from model_store.backbones import BackboneStore  # noqa: PLC0415
    from model_store.engines import load_on_engine  # noqa: PLC0415

    registry = Registry(store)
    everything = [f"{product}@{version}" for product in registry.products() for version in registry.versions(product)]
    for reference in references or everything:
        ref = registry.resolve(reference)
        model = load_on_engine(ref.path, BackboneStore(registry.backbones_root), torch.device("cpu"), "auto")
        count, tolerance = len(model.manifest.golden), model.manifest.golden_tolerance
        typer.echo(
            f"{ref}: {count} golden pictures agree, largest |Δscore| {model.golden_delta:.1e} of {tolerance:.0e}, "
            f"engine {model.detector.engine}"
        )


@cli.command("import-backbone")
def import_backbone(  # noqa: PLR0913, PLR0917 -- each parameter is an option of the command line
    file: Annotated[
        Path | None, typer.Option(help="Weights: .safetensors, .pth or .pt. No code in the file is run.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="timm's name of the network, for example vit_small_patch8_224.dino.")
    ] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="NAME", help="Download timm's weights of this network instead of --file.")
    ] = None,
    mean: Annotated[tuple[float, float, float] | None, typer.Option(help="Of RGB in [0, 1]. Default: timm's.")] = None,
    std: Annotated[tuple[float, float, float] | None, typer.Option(help="Of RGB in [0, 1]. Default: timm's.")] = None,
    pad_type: Annotated[PadType | None, typer.Option(help="For weights that came from TensorFlow.")] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Put frozen pretrained weights into the store, once for all products.

    Air-gapped: carry the file over and name its network with --name. Connected: --hub NAME.
    """
    from model_store.backbones import BackboneStore  # noqa: PLC0415 -- torch takes seconds, and --help must not

    backbones = BackboneStore(Registry(store).backbones_root)
    if hub is not None and (file, name, mean, std, pad_type) == (None, None, None, None, None):
        spec = backbones.import_hub(hub)
    elif hub is None and file is not None and name is not None:
        spec = backbones.import_file(file, name=name, mean=mean, std=std, pad_type=pad_type or "")
    else:
        raise typer.BadParameter("give --file and --name, or --hub alone")
    typer.echo(f"{spec.digest} {spec.name}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an artifact's error is one line, not a traceback."""
    try:
        cli(arguments, prog_name="python -m model_store")
    except ArtifactError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


def _describe(ref: VersionRef, *, mark: str) -> str:
    try:
        manifest, digest = read_manifest(ref.path)
    except ArtifactError as error:  # one broken version must not hide the others
        return f"{mark} {ref} BROKEN: {error}"
    metrics: dict[str, Any] = {name: f"{value:.4g}" for name, value in sorted(manifest.metrics.items())}
    figures = " ".join(f"{name}={value}" for name, value in metrics.items())
    return f"{mark} {ref} {digest[:12]} {manifest.created_at:%Y-%m-%d %H:%M} {figures}".rstrip()


if __name__ == "__main__":
    main()
