"""`python -m training search`: the configuration that finds most synthetic defects.

In: options of the command line. Out: a table on stdout; search.json, search.toml and the study in the run folder.
Refuses: what training.search draws, a `--timeout` that is no duration (`ConfigInvalid`).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.run_folder import RunFolder

DEFAULT_RUNS, DEFAULT_STORE = Path("var/runs"), Path("var/models")


@dataclass(frozen=True)
class Limits:
    """How long it searches, and where it keeps what it tried."""

    trials: int
    seconds: float
    storage: Path


def search_hyperparameters(  # noqa: PLR0913, PLR0917 -- each parameter is an option of the command line
    product: Annotated[str, typer.Option(help="Name of the product: a-z, 0-9, - and _.")],
    data: Annotated[Path, typer.Option(help="As for fit; only good training pictures are opened.")],
    config: Annotated[str, typer.Option(help="The preset or TOML file to start from; it is tried first.")] = "cpu",
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value over the TOML: fit.epochs=8")] = None,
    trials: Annotated[int, typer.Option(min=1, help="In all, those of earlier calls counted.")] = 30,
    timeout: Annotated[str, typer.Option(help="90s, 30m or 2h: no trial begins later than that.")] = "30m",
    storage: Annotated[
        Path | None, typer.Option(help="SQLite file of the trials; none: in the run folder.", show_default=False)
    ] = None,
    store: Annotated[Path, typer.Option(help="Model store with the backbone, if one is used.")] = DEFAULT_STORE,
    runs: Annotated[Path, typer.Option(help="Folder of the runs; each product has one.")] = DEFAULT_RUNS,
) -> None:
    """Search mosaic scale, kernel, learning rate and schedule without labels, on defects pasted into good pictures.

    Started again, it goes on from the trials that have ended.
    """
    from training.config import load_config  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.run_folder import SEARCH, RunFolder  # noqa: PLC0415

    options = {"product": product, "data": str(data), "store": str(store), "runs": str(runs)}
    base, settings = load_config(config, options, []), load_config(config, options, override or [])
    folder = RunFolder(runs / product / SEARCH)
    limits = Limits(trials, _seconds(timeout), storage or folder.root / "search.db")
    winner = _search(base, settings, folder, limits, preset=config)
    typer.echo(f"fit it: python -m training fit --product {product} --data {data} --config {winner}")


def _search(base: "TrainConfig", settings: "TrainConfig", folder: "RunFolder", limits: Limits, *, preset: str) -> Path:
    """The best configuration's file."""
    from rich.console import Console  # noqa: PLC0415

    from training.progress import Bars  # noqa: PLC0415
    from training.search import open_search, read_good_pictures, run_trials  # noqa: PLC0415
    from training.search_result import best_table, to_json, to_toml  # noqa: PLC0415
    from training.search_space import space_of  # noqa: PLC0415
    from training.trial import set_bench, try_config  # noqa: PLC0415

    console = Console(markup=False)
    dataset, warnings = read_good_pictures(settings)
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow")
    bench = set_bench(settings, dataset)
    space = space_of(settings, bench.mosaic_scale)
    with open_search(settings, space, data_digest=dataset.digest, storage=limits.storage) as search:
        with Bars(console) as bars:
            attempt = partial(try_config, bench=bench)
            run_trials(search, attempt, trials=limits.trials, seconds=limits.seconds, listener=bars)
        folder.write("search.json", to_json(search, bench))
        winner = folder.write_text("search.toml", to_toml(search, preset, base))
        console.print(best_table(search))
    return winner


def _seconds(timeout: str) -> float:
    from training.budget import parse_duration  # noqa: PLC0415 -- training.config imports it too
    from training.errors import ConfigInvalid  # noqa: PLC0415

    try:
        return parse_duration(timeout)
    except ValueError as exc:
        raise ConfigInvalid(f"--timeout: {exc}") from exc
