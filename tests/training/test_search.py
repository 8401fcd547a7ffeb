"""A search: trials marked on synthetic defects, resumable, blind to test pictures."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from training.cli import main
from training.config import TrainConfig, load_config
from training.errors import DatasetError, FitDiverged, SearchBusy, SearchFailed
from training.exam import Mark, set_exam
from training.run_folder import RunFolder
from training.sample import SampleConfig, draw_product
from training.search import Try, ended, open_search, read_good_pictures, run_trials
from training.search_space import space_of, with_values
from training.trial import OnMark, set_bench, try_config

TINY = [
    "input.height=32",
    "input.width=32",
    "unet.widths=[4,8]",
    "features=as-told",
    "fit.epochs=3",
    "fader.epochs=1",
    "promise=0.2",
    "align.turn=0",  # tests/training/test_fit_turn.py looks for turns
]


class Silent:
    """A listener that no one hears."""

    def stage(self, name: str, total: int) -> None: ...

    def step(self, done: int, text: str) -> None: ...

    def epoch(self, record: object) -> None: ...


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "data"
    draw_product(folder, SampleConfig(train=40, test_good=1, per_kind=1, size=64))
    return folder


@pytest.fixture
def config(data: Path, tmp_path: Path) -> TrainConfig:
    options = {"product": "plate", "data": str(data), "store": str(tmp_path / "store"), "runs": str(tmp_path / "runs")}
    return load_config("cpu", options, TINY)


def searched(config: TrainConfig, storage: Path, attempt: Try, *, trials: int, seconds: float = 600) -> optuna.Study:
    """The study after `trials` trials in all."""
    with open_search(config, space_of(config, 4), data_digest="d", storage=storage) as search:
        run_trials(search, attempt, trials=trials, seconds=seconds, listener=Silent())
        return search.study


def command(config: TrainConfig, *arguments: str) -> int:
    options = [f"--{name}={getattr(config, name)}" for name in ("product", "data", "store", "runs")]
    with pytest.raises(SystemExit) as stopped:
        main([arguments[0], *options, *arguments[1:]])
    return int(stopped.value.code or 0)


def paper_trial(config: TrainConfig, _: OnMark) -> Mark:
    """Better the closer the learning rate is to 1e-3 and the larger the mosaic; nothing is fitted."""
    distance = abs(np.log10(config.fit.learning_rate) + 3)
    return Mark(float(0.9 - 0.1 * distance), 0.5 + 0.001 * float(config.mosaic_scale))


def interrupted_trial(_: TrainConfig, __: OnMark) -> Mark:
    raise KeyboardInterrupt


def diverging_trial(_: TrainConfig, __: OnMark) -> Mark:
    raise FitDiverged("the loss is not finite")


def test_the_command_finds_a_configuration_that_fit_takes(config: TrainConfig) -> None:
    sets = [f"--set={line}" for line in TINY]
    assert command(config, "search", "--trials=2", *sets) == 0
    folder = config.runs / "plate/search"
    result = json.loads((folder / "search.json").read_text())
    assert [set(trial["values"]) for trial in result["trials"]] == [
        {"mosaic_scale", "unet.kernel", "fit.learning_rate", "fit.schedule"}
    ] * 2
    winner = tomllib.loads((folder / "search.toml").read_text())
    assert winner["extends"] == "cpu"
    assert winner["input"] == {"height": 32, "width": 32}
    assert command(config, "fit", f"--config={folder / 'search.toml'}") == 0


def test_the_configuration_itself_is_tried_first(config: TrainConfig, tmp_path: Path) -> None:
    first = searched(config, tmp_path / "s.db", paper_trial, trials=2).trials[0].params
    assert (first["fit.learning_rate"], first["unet.kernel"], first["fit.schedule"]) == (2e-3, 3, "cosine")
    assert first["mosaic_scale"] == 4


def test_a_search_that_is_cut_in_two_ends_like_a_straight_one(config: TrainConfig, tmp_path: Path) -> None:
    straight = searched(config, tmp_path / "a.db", paper_trial, trials=10)
    searched(config, tmp_path / "b.db", paper_trial, trials=5)
    resumed = searched(config, tmp_path / "b.db", paper_trial, trials=10)
    assert [trial.params for trial in resumed.trials] == [trial.params for trial in straight.trials]
    assert resumed.best_value == straight.best_value


@pytest.mark.parametrize("before", [0, 2])
def test_an_interrupted_trial_is_drawn_again(config: TrainConfig, tmp_path: Path, before: int) -> None:
    straight = searched(config, tmp_path / "a.db", paper_trial, trials=before + 1)
    searched(config, tmp_path / "b.db", paper_trial, trials=before) if before else None
    with pytest.raises(KeyboardInterrupt):
        searched(config, tmp_path / "b.db", interrupted_trial, trials=before + 1)
    resumed = searched(config, tmp_path / "b.db", paper_trial, trials=before + 1)
    assert [trial.state for trial in resumed.trials[before:]] == [TrialState.FAIL, TrialState.COMPLETE]
    assert resumed.trials[-1].params == straight.trials[-1].params


def test_a_trial_whose_process_was_killed_does_not_stay_open(config: TrainConfig, tmp_path: Path) -> None:
    with open_search(config, space_of(config, 4), data_digest="d", storage=tmp_path / "s.db") as search:
        search.study.ask()
    study = searched(config, tmp_path / "s.db", paper_trial, trials=1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_another_configuration_is_another_study_in_the_same_file(config: TrainConfig, tmp_path: Path) -> None:
    searched(config, tmp_path / "s.db", paper_trial, trials=3)
    other = config.model_copy(update={"seed": 1})
    assert len(searched(other, tmp_path / "s.db", paper_trial, trials=1).trials) == 1


def test_a_configuration_that_cannot_be_fitted_does_not_end_the_search(config: TrainConfig, tmp_path: Path) -> None:
    def diverge_once(tried: TrainConfig, on_mark: OnMark) -> Mark:
        is_first = tried.fit.learning_rate == config.fit.learning_rate
        return diverging_trial(tried, on_mark) if is_first else paper_trial(tried, on_mark)

    study = searched(config, tmp_path / "s.db", diverge_once, trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]


def test_a_search_in_which_nothing_can_be_fitted_says_why(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match=r"none of 2 .* not finite"):
        searched(config, tmp_path / "s.db", diverging_trial, trials=2)


def test_a_trial_that_is_worse_than_the_median_is_stopped_early(config: TrainConfig, tmp_path: Path) -> None:
    marks = iter([0.9, 0.9, 0.9, 0.9, 0.1])

    def by_turns(_: TrainConfig, on_mark: OnMark) -> Mark:
        reached = Mark(value := next(marks), value)
        on_mark(2, reached)
        return reached

    study = searched(config, tmp_path / "s.db", by_turns, trials=5)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4 + [TrialState.PRUNED]


def test_no_trial_begins_after_the_timeout_but_there_is_always_one(config: TrainConfig, tmp_path: Path) -> None:
    assert len(ended(searched(config, tmp_path / "s.db", paper_trial, trials=9, seconds=0))) == 1


def test_test_pictures_are_never_opened(config: TrainConfig, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(config.data, copy)
    before = read_good_pictures(config)[0].digest
    for file in (copy / "test").rglob("*.png"):
        file.unlink()
        file.mkdir()  # opening it would raise
    dataset, warnings = read_good_pictures(config.model_copy(update={"data": copy}))
    assert (dataset.test, dataset.digest) == ((), before)
    assert not any("mask" in warning for warning in warnings)


def test_a_storage_in_use_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    with FileLock(tmp_path / "s.db.lock"), pytest.raises(SearchBusy, match="--storage"):
        searched(config, tmp_path / "s.db", paper_trial, trials=1)


def test_the_same_configuration_gets_the_same_mark_whoever_listens(config: TrainConfig) -> None:
    bench, heard = set_bench(config, read_good_pictures(config)[0]), []
    listened = try_config(config, lambda epochs, _: heard.append(epochs), bench=bench)
    assert heard == [1, 2]
    assert listened == try_config(config, lambda *_: None, bench=bench)
    assert 0 < listened.objective < 1


def test_an_exam_scores_no_picture_that_fits_its_statistics() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (9, 32, 32, 3)).astype(np.uint8)
    exam = set_exam(pictures, pictures, seed=0)
    assert (len(exam.statistics), len(exam.good), len(exam.damaged)) == (5, 4, 8)
    assert not any(np.array_equal(first, second) for first in exam.statistics for second in exam.good)
    assert not np.array_equal(exam.masks[:4], exam.masks[4:])


def test_three_held_out_pictures_are_too_few() -> None:
    pictures = np.zeros((3, 32, 32, 3), np.uint8)
    with pytest.raises(DatasetError, match="hold_out"):
        set_exam(pictures, pictures, seed=0)


@pytest.mark.parametrize("overrides", [["saliency.kind=none"], ["saliency.hide_as=removed"]])
def test_the_mosaic_is_not_searched_where_there_is_none(config: TrainConfig, overrides: list[str]) -> None:
    options = {"product": "plate", "data": str(config.data)}
    assert "mosaic_scale" not in space_of(load_config("cpu", options, overrides), 2).choices


def test_a_space_holds_the_configurations_own_values_though_they_are_unusual(config: TrainConfig) -> None:
    unusual = with_values(config, {"fit.learning_rate": 0.1, "fit.schedule": "step", "mosaic_scale": 12})
    space = space_of(unusual, 12)
    assert space.choices["mosaic_scale"] == (2, 4, 8, 16, 12)
    assert (space.choices["fit.schedule"][-1], space.learning_rates) == ("step", (1e-5, 0.1))


def test_fit_fresh_keeps_a_search(config: TrainConfig) -> None:
    folder = RunFolder(config.runs / "plate")
    folder.begin(config, "digest", fresh=False)
    RunFolder(folder.root / "search").write_text("search.toml", "")
    folder.write_text("old.json", "{}")
    folder.begin(config, "digest", fresh=True)
    assert sorted(path.name for path in folder.root.iterdir()) == ["config.json", "identity.json", "search"]


def test_a_timeout_that_is_no_duration_is_an_error(config: TrainConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(config, "search", "--timeout=soon") == 2
    assert "--timeout: 'soon' is no duration" in capsys.readouterr().err
