"""`python -m training`: good pictures in, a version in the model store out.

In: a command line. Out: progress and tables, exit code 0; or one readable error on stderr and exit code 2.
Ctrl-C exits with 130 and loses at most the epoch it fell into.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from detector.errors import DetectorError
from model_store.errors import ArtifactError
from model_store.registry import VersionRef
from training.config import TrainConfig, load_config
from training.errors import TrainingError
from training.page_commands import agreement_study, lint_pictures
from training.run_folder import RunFolder
from training.search_command import search_hyperparameters
from training.version_commands import compare_versions, graph_version, inspect_pictures

if TYPE_CHECKING:  # it imports torch
    from training.listener import Listener

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a product from good pictures only.\n\n"
    "`lint` looks at the pictures first. "
    "`fit` does everything: check the pictures, fit both networks, set thresholds, measure, publish. "
    "`search` looks for a better configuration without labels. "
    "`inspect` and `compare` ask published versions, `graph` makes one faster on a CPU; "
    "the other commands repeat one stage of a run that was fitted.",
)
DEFAULT_RUNS = Path("var/runs")
Product = Annotated[str, typer.Option(help="Name of the product: a-z, 0-9, - and _.")]
Activate = Annotated[
    bool, typer.Option("--activate/--no-activate", help="Whether the new version serves at once, or is compared first.")
]
Runs = Annotated[Path, typer.Option(help="Folder of the runs; each product has one.")]


@cli.command()
def sample(
    out: Annotated[Path, typer.Option(help="Empty or new folder for the drawn product.")],
    train: Annotated[int, typer.Option(help="Good pictures to train on.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed draws the same bytes.")] = 0,
) -> None:
    """Draw a small product with several kinds of defect and their masks."""
    from training.sample import SampleConfig, draw_product  # noqa: PLC0415 -- numpy takes a while, and --help must not

    draw_product(out, SampleConfig(train=train, seed=seed))
    typer.echo(f"drew {out}; train it: python -m training fit --product drawn --data {out} --config demo")


@cli.command()
def fit(  # noqa: PLR0913, PLR0917 -- each parameter is an option of the command line
    product: Product,
    data: Annotated[Path, typer.Option(help="MVTec AD layout (train/good, test/…), or a folder of good pictures.")],
    store: Annotated[Path, typer.Option(help="Model store to publish to.")] = Path("var/models"),
    runs: Runs = DEFAULT_RUNS,
    config: Annotated[
        str, typer.Option(help="A preset (cpu, demo, ear, riad, …: docs/method.md) or a TOML file.")
    ] = "cpu",
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value over the TOML: fit.epochs=30")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier run of this product left.")] = False,
    activate: Activate = True,
    time_budget: Annotated[
        str | None, typer.Option(help="90s, 10m or 1h for all of it: chooses the number of epochs.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard's curves of every epoch.")] = None,
) -> None:
    """Train a product end to end and publish it. Started again after Ctrl-C, it goes on from its last epoch."""
    from training import run as stages  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.plain_words import promise_words  # noqa: PLC0415
    from training.report import write_report  # noqa: PLC0415

    options = {"product": product, "data": str(data), "store": str(store), "runs": str(runs)}
    options |= {} if time_budget is None else {"time_budget": time_budget}
    settings = load_config(config, options, override or [])
    console = Console()
    begun, warnings = stages.begin_run(settings, fresh=fresh)
    for warning in warnings:
        console.print(f"warning: {warning}", markup=False, style="yellow")
    console.print(promise_words(settings.promise, len(begun.dataset.calibrate)), markup=False, soft_wrap=True)
    with _watching(console, None if tensorboard is None else tensorboard / product) as listener:
        detector = stages.fit(begun, listener)
    calibration = stages.calibrate(begun, detector, promise=settings.promise, review_rate=settings.review_rate)
    evaluation = stages.evaluate(begun, detector, calibration)
    ref = stages.publish(begun, detector, calibration, evaluation, activate=activate)
    _print_metrics(console, evaluation.metrics)
    console.print(f"report: {write_report(begun, detector)}", markup=False, soft_wrap=True)
    console.print(_published(ref, settings, active=activate), markup=False, soft_wrap=True)


@cli.command()
def calibrate(
    product: Product,
    runs: Runs = DEFAULT_RUNS,
    promise: Annotated[float | None, typer.Option(help="False-reject rate to promise, for example 0.02.")] = None,
    review_rate: Annotated[float | None, typer.Option(help="Share of good parts that a person may look at.")] = None,
) -> None:
    """Set the thresholds of a fitted run again, for another promise."""
    from training import run as stages  # noqa: PLC0415 -- torch takes seconds, and --help must not

    run = stages.open_run(RunFolder(runs / product))
    calibration = stages.calibrate(
        run,
        stages.load_fitted(run),
        promise=run.config.promise if promise is None else promise,
        review_rate=run.config.review_rate if review_rate is None else review_rate,
    )
    typer.echo(f"ng above {calibration.ng_above:.6g}, review above {calibration.review_above:.6g}")


@cli.command()
def evaluate(product: Product, runs: Runs = DEFAULT_RUNS) -> None:
    """Measure a calibrated run on the test pictures; every score goes to scores.json."""
    from training import run as stages  # noqa: PLC0415 -- torch takes seconds, and --help must not

    run = stages.open_run(RunFolder(runs / product))
    evaluation = stages.evaluate(run, stages.load_fitted(run), stages.load_calibration(run))
    _print_metrics(Console(), evaluation.metrics)
    typer.echo(f"scores of {len(evaluation.parts)} pictures: {run.folder.root / stages.SCORES}")


@cli.command()
def report(product: Product, runs: Runs = DEFAULT_RUNS) -> None:
    """Write the HTML report of an evaluated run again: figures, curves, worst and typical cases."""
    from training import run as stages  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.report import write_report  # noqa: PLC0415

    run = stages.open_run(RunFolder(runs / product))
    typer.echo(f"report: {write_report(run, stages.load_fitted(run))}")


@cli.command()
def export(product: Product, runs: Runs = DEFAULT_RUNS, activate: Activate = True) -> None:
    """Publish a calibrated run as a new version, measured afresh."""
    from training import run as stages  # noqa: PLC0415 -- torch takes seconds, and --help must not

    run = stages.open_run(RunFolder(runs / product))
    detector, calibration = stages.load_fitted(run), stages.load_calibration(run)
    evaluation = stages.evaluate(run, detector, calibration)
    ref = stages.publish(run, detector, calibration, evaluation, activate=activate)
    typer.echo(_published(ref, run.config, active=activate))


cli.command("lint")(lint_pictures)
cli.command("agreement")(agreement_study)
cli.command("search")(search_hyperparameters)
cli.command("inspect")(inspect_pictures)
cli.command("compare")(compare_versions)
cli.command("graph")(graph_version)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an expected error is a sentence, not a traceback."""
    try:
        cli(arguments, prog_name="python -m training")
    except (TrainingError, DetectorError, ArtifactError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


@contextmanager
def _watching(console: Console, tensorboard: Path | None) -> "Iterator[Listener]":
    """Bars, and TensorBoard's curves where a folder is given for them."""
    from training.listener import Together  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.progress import Bars  # noqa: PLC0415
    from training.tensorboard import TensorBoard  # noqa: PLC0415

    with ExitStack() as opened:
        listeners: list[Listener] = [opened.enter_context(Bars(console))]
        if tensorboard is not None:
            listeners.append(opened.enter_context(TensorBoard(tensorboard)))
        yield Together(listeners)


def _published(ref: VersionRef, config: TrainConfig, *, active: bool) -> str:
    """What to do next with a version that was just published."""
    store = config.store
    if active:
        return f"published {ref} in {store}; serve it: INSPECT_MODEL_STORE={store} python -m app"
    return (
        f"published {ref} in {store}, not active; before it is: python -m training compare {ref.product} {ref} "
        f"--data {config.data} --store {store}; then: python -m model_store activate {ref.product} {ref.version}"
    )


def _print_metrics(console: Console, metrics: dict[str, float]) -> None:
    if not metrics:
        console.print("no test pictures: nothing could be measured")
        return
    table = Table("figure", "value")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)
