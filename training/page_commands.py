"""`python -m training lint|agreement`: pages about data, with no run.

In: options of the command line. Out: one HTML file, and a line on what it has found. Refuses: what the pages draw.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.config import load_config
from training.errors import AgreementUnreadable, DatasetError


def lint_pictures(
    data: Annotated[Path, typer.Option(help="MVTec AD layout (train/good, test/…), or a folder of good pictures.")],
    store: Annotated[Path, typer.Option(help="Model store; its backbone, if any, sees more.")] = Path("var/models"),
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("dataset.html"),
    config: Annotated[str, typer.Option(help="A preset or a TOML file: size of the pictures, split.")] = "cpu",
) -> None:
    """Look at a product's pictures before it is trained: copies, exposures, suspected defects among the good."""
    from training.data import read_dataset  # noqa: PLC0415 -- torch takes seconds, and --help must not
    from training.dataset_page import write_dataset_page  # noqa: PLC0415

    settings = load_config(config, {"product": data.resolve().name, "data": str(data), "store": str(store)}, [])
    dataset = read_dataset(data, hold_out=settings.split.hold_out, calibrate=settings.split.calibrate)
    written = write_dataset_page(dataset, settings, out)
    typer.echo(
        f"{written.copies} groups of copies, {written.exposures} exposures unlike the others, "
        f"{written.suspects} suspected defects among the good: {written.path}"
    )
    if written.errors:
        raise DatasetError(f"{len(written.errors)} errors, the first: {written.errors[0]}; all are on the page")


def agreement_study(
    answer: Annotated[
        Path,
        typer.Argument(help="What GET /products/{p}/agreement answered; - reads it from curl.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("agreement.html"),
) -> None:
    """Measurement system analysis (AIAG) of verdicts against what people found, with intervals."""
    from training.agreement import read_agreement  # noqa: PLC0415 -- scipy takes a while, and --help must not
    from training.agreement_page import write_agreement_page  # noqa: PLC0415

    try:
        text = sys.stdin.read() if str(answer) == "-" else answer.read_text("utf-8")
    except OSError as exc:
        raise AgreementUnreadable(f"{answer} cannot be read: {exc.strerror}") from exc
    for study in write_agreement_page(read_agreement(text), out):
        typer.echo(f"{study.title}:")
        for figure in study.all_parts:
            typer.echo(
                f"  {figure.limit.name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}): {figure.grade}"
            )
    typer.echo(f"page: {out}")
