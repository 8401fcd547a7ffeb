"""What a search leaves: a table, a JSON object, a TOML file."""

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from training.config import TrainConfig, load_config
from training.errors import FitDiverged
from training.exam import Mark, set_exam
from training.search import Search, open_search, run_trials
from training.search_result import best_table, ranked, to_json, to_toml
from training.search_space import space_of
from training.trial import Bench, OnMark

OPTIONS = {"product": "plate", "data": "data"}
SET = ["unet.widths=[4,8]", "promise=0.2", "saliency.kind=whole"]


class Silent:
    """A listener that no one hears."""

    def stage(self, name: str, total: int) -> None: ...

    def step(self, done: int, text: str) -> None: ...

    def epoch(self, record: object) -> None: ...


def paper_trial(config: TrainConfig, on_mark: OnMark) -> Mark:
    """The configuration as it stands is the worst that can be fitted; a kernel of 5 with SGDR cannot."""
    if config.unet.kernel == 5 and config.fit.schedule == "sgdr":
        raise FitDiverged("the loss is not finite")
    reached = Mark(0.5, 0.5) if config.fit.learning_rate == 2e-3 else Mark(0.8, 1 - config.fit.learning_rate)
    on_mark(4, reached)
    return reached


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    storage = tmp_path_factory.mktemp("search") / "s.db"
    config = load_config("cpu", OPTIONS, SET)
    with open_search(config, space_of(config, 4), data_digest="d", storage=storage) as search:
        run_trials(search, paper_trial, trials=10, seconds=600, listener=Silent())
        yield search


def test_the_toml_is_the_preset_with_the_winner_and_what_was_set(search: Search, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(to_toml(search, "cpu", load_config("cpu", OPTIONS, [])))
    best, again = search.study.best_trial.params, load_config(str(file), OPTIONS, [])
    assert tomllib.loads(file.read_text())["extends"] == "cpu"
    assert (again.mosaic_scale, again.unet.kernel) == (best["mosaic_scale"], best["unet.kernel"])
    assert (again.fit.learning_rate, again.fit.schedule) == (best["fit.learning_rate"], best["fit.schedule"])
    assert (again.unet.widths, again.promise, again.saliency.kind) == ((4, 8), 0.2, "whole")


def test_a_file_of_ones_own_is_extended_from_anywhere(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('extends = "cpu"\nseed = 7\n')
    Path("search.toml").write_text(to_toml(search, "mine.toml", load_config("mine.toml", OPTIONS, [])))
    monkeypatch.chdir("/")
    extends = tomllib.loads((tmp_path / "search.toml").read_text())["extends"]
    assert extends == str(tmp_path / "mine.toml")


def test_trials_are_ranked_best_first_and_stopped_ones_last(search: Search) -> None:
    states = [trial.state.name for trial in ranked(search)]
    assert states == sorted(states)  # COMPLETE, then PRUNED
    assert ranked(search)[0].number == search.study.best_trial.number


def test_the_table_names_the_configuration_as_it_stood_in_80_columns(search: Search) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(best_table(search))
    printed = console.export_text()
    assert "as configured" in printed
    assert "…" not in printed


def test_the_json_says_how_each_trial_ended(search: Search) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3)).astype(np.uint8)
    result = to_json(search, Bench(pictures, set_exam(pictures, pictures, seed=0), 4))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {trial["outcome"] for trial in result["trials"]} == {"finished", "stopped early", "failed"}
    assert result["pictures"] == {"train": 8, "statistics": 4, "good": 4, "damaged": 8}
