"""Does the search's objective, which sees no label, order configurations as the true test AUROC does?

In: a product with test pictures (--data), how many configurations (--configs) and how small (--side, --epochs). The
configurations are drawn at random from the search's own space; the first is the preset's. Out: a row for each on
stdout, Spearman's coefficient of every synthetic figure with the test AUROC, and what the objective would have chosen.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from scipy.stats import spearmanr

from detector.pipeline import Detector
from training.calibrate import score_pictures
from training.config import TrainConfig, load_config
from training.data import Dataset, load_pictures, read_dataset
from training.errors import FitFailed
from training.exam import Mark, mark
from training.metrics import auroc
from training.search_space import LEARNING_RATE, Space, Values, space_of, suggest, with_values
from training.trial import fit_config, set_bench


@dataclass(frozen=True)
class Compared:
    """One configuration, marked without and with labels."""

    values: Values
    synthetic: Mark
    test_auroc: float
    seconds: float


def main() -> None:
    """Fit, mark and measure each configuration, then correlate."""
    options = parse_options()
    config = base_config(options)
    dataset = read_dataset(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    bench = set_bench(config, dataset)
    print("| mosaic | kernel | rate | schedule | objective | image, synthetic | pixel, synthetic | image, test | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    compared = []
    for values in draw_values(space_of(config, bench.mosaic_scale), options.configs, options.seed):
        started, tried = time.perf_counter(), with_values(config, values)
        try:
            detector = fit_config(tried, lambda *_: None, bench=bench)
        except FitFailed as error:
            print(f"| {dict(values)}: {error} |")
            continue
        reached, truth = mark(detector, bench.exam, bench.train), test_auroc(detector, tried, dataset)
        compared.append(Compared(values, reached, truth, time.perf_counter() - started))
        print(row(compared[-1]), flush=True)
    print_correlation(compared)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--configs", type=int, default=10)
    parser.add_argument("--side", type=int, default=64, help="px of the input")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def base_config(options: argparse.Namespace) -> TrainConfig:
    """The preset cpu, small, with spectral saliency, which needs no weights."""
    size = [f"input.{side}={options.side}" for side in ("height", "width")]
    lines = [*size, f"fit.epochs={options.epochs}", "saliency.kind=spectral", "device=cpu", f"seed={options.seed}"]
    return load_config("cpu", {"product": options.data.name, "data": str(options.data)}, lines)


def draw_values(space: Space, count: int, seed: int) -> list[Values]:
    """The preset's own, then random ones."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.first, *(suggest(study.ask(), space) for _ in range(count - 1))]


def test_auroc(detector: Detector, config: TrainConfig, dataset: Dataset) -> float:
    """By the service's own score, over all test pictures."""
    scored = score_pictures(detector, load_pictures(dataset.test, config.input))
    return auroc(scored.scores, np.array([sample.is_defective for sample in dataset.test]))


def row(one: Compared) -> str:
    """A line of the table."""
    values, marks = one.values, one.synthetic
    figures = (marks.objective, marks.image_auroc, marks.pixel_auroc, one.test_auroc)
    cells = [str(values["mosaic_scale"]), str(values["unet.kernel"]), f"{values['fit.learning_rate']:.1e}"]
    cells += [values["fit.schedule"], *(f"{figure:.3f}" for figure in figures), f"{one.seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


def print_correlation(compared: list[Compared]) -> None:
    """Rank correlations, beside that of the learning rate alone, and the test AUROC of what the objective chooses."""
    truth = [one.test_auroc for one in compared]
    figures = {
        name: [getattr(one.synthetic, name) for one in compared] for name in ("objective", "image_auroc", "pixel_auroc")
    }
    figures["the learning rate, which needs no search"] = [one.values[LEARNING_RATE] for one in compared]
    print()
    for name, values in figures.items():
        rank = spearmanr(values, truth)
        print(f"{name}: Spearman {rank.statistic:+.2f} (p {rank.pvalue:.3f}) over {len(compared)} configurations")
    chosen = max(compared, key=lambda one: one.synthetic.objective)
    print(
        f"test AUROC: chosen {chosen.test_auroc:.3f}, preset {truth[0]:.3f}, median {np.median(truth):.3f}, "
        f"best {max(truth):.3f}"
    )


if __name__ == "__main__":
    main()
