"""Hyperparameters without labels: trials in an Optuna study, each marked on synthetic defects, kept in an SQLite file.

In: a configuration, good pictures, how many trials and how long. Out: a `Search`; the best trial of its study wins.
Every trial is drawn from a seed of its own: an interrupted search goes on to the trials that it would have reached.
Refuses: a storage that another search writes to (`SearchBusy`), a search in which no trial could be fitted
(`SearchFailed`). Test pictures are never opened.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from detector.errors import CalibrationError
from model_store.manifest import check_product_name
from training.config import TrainConfig
from training.data import Dataset, read_good
from training.dataset_lint import check_dataset
from training.errors import FitFailed, SearchBusy, SearchFailed
from training.exam import Mark
from training.listener import Listener
from training.search_space import Space, suggest, with_values
from training.trial import OnMark

RANDOM_TRIALS = 8  # before TPE has seen enough to draw from
UNPRUNED_TRIALS = 4  # finished ones, before the median of them stops a trial
UNPRUNED_SHARE = 1 / 3  # of the epochs: a warm-up, a fifth of them, looks bad until it is over
IMAGE, PIXEL, FAILED = "image_auroc", "pixel_auroc", "failed"  # attributes of a trial

Try = Callable[[TrainConfig, OnMark], Mark]  # one configuration on trial; may raise `FitFailed`


@dataclass(frozen=True)
class Search:
    """A study, the configuration that it starts from, and what may change in it."""

    study: optuna.Study
    config: TrainConfig
    space: Space


def read_good_pictures(config: TrainConfig) -> tuple[Dataset, tuple[str, ...]]:
    """The checked good pictures of a product, and warnings; `DatasetError` lists all errors."""
    check_product_name(config.product)
    dataset = read_good(config.data, hold_out=config.split.hold_out, calibrate=config.split.calibrate)
    return dataset, check_dataset(dataset, config)


@contextmanager
def open_search(config: TrainConfig, space: Space, *, data_digest: str, storage: Path) -> Iterator[Search]:
    """Begin the search of this configuration and these pictures, or go on with it; one process at a time."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that is stopped is no news, and Ctrl-C no warning
    storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{storage}.lock", timeout=0):
            yield Search(_open_study(config, data_digest, storage), config, space)
    except Timeout as exc:
        raise SearchBusy(f"another search writes to {storage}; wait for it, or give this one --storage") from exc


def run_trials(search: Search, attempt: Try, *, trials: int, seconds: float, listener: Listener) -> None:
    """Until the study holds `trials` ended ones, or `seconds` have passed; a trial that has begun ends."""
    study, until = search.study, time.monotonic() + seconds
    listener.stage("search", trials)
    while (done := len(ended(study))) < trials and (done == 0 or time.monotonic() < until):
        # a seed for each: an interrupted trial counts as none, and is drawn again the same
        seed = search.config.seed * 1_000_003 + done
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=seed)
        if done == 0 and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial(dict(search.space.first))
        study.optimize(lambda trial: _run_trial(search, attempt, trial, listener), n_trials=1)
        listener.step(len(ended(study)), _standing(study))
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise SearchFailed(f"none of {trials} configurations could be fitted: {ended(study)[0].user_attrs[FAILED]}")


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ran to their end, were stopped early or could not be fitted; not interrupted ones."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _open_study(config: TrainConfig, data_digest: str, storage: Path) -> optuna.Study:
    """The study of this configuration and these pictures; others in the same file are left alone."""
    study = optuna.create_study(
        storage=f"sqlite:///{storage}",
        study_name=f"{config.product}-{_identity(config, data_digest)}",
        pruner=optuna.pruners.MedianPruner(UNPRUNED_TRIALS, int(UNPRUNED_SHARE * config.fit.epochs)),
        direction="maximize",
        load_if_exists=True,
    )
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
    return study


def _identity(config: TrainConfig, data_digest: str) -> str:
    """Twelve digits; marks of another configuration or of other pictures do not compare."""
    told: dict[str, Any] = {"config": config.weights_depend_on(), "data_digest": data_digest}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _run_trial(search: Search, attempt: Try, trial: Trial, listener: Listener) -> float:
    """Fit and mark one configuration; one that cannot be fitted ends like one that was stopped."""
    config = with_values(search.config, suggest(trial, search.space))
    done = len(ended(search.study))

    def on_mark(epochs: int, reached: Mark) -> None:
        listener.step(done, f"trial {trial.number}: {reached.objective:.3f} after {epochs} epochs")
        _remember(trial, reached)
        trial.report(reached.objective, epochs)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        reached = attempt(config, on_mark)
    except (FitFailed, CalibrationError) as error:
        trial.set_user_attr(FAILED, str(error))
        raise optuna.TrialPruned from error
    _remember(trial, reached)
    return reached.objective


def _remember(trial: Trial, reached: Mark) -> None:
    trial.set_user_attr(IMAGE, reached.image_auroc)
    trial.set_user_attr(PIXEL, reached.pixel_auroc)


def _standing(study: optuna.Study) -> str:
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    return f"best {study.best_value:.3f} in trial {study.best_trial.number}" if complete else "none fitted yet"
