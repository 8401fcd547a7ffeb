"""The run folder keeps what belongs to it, and deletes nothing else."""

from pathlib import Path

import pytest

from training.config import TrainConfig, load_config
from training.errors import ConfigInvalid, RunOfOtherConfig, StageMissing
from training.run_folder import RunFolder


def config(*overrides: str) -> TrainConfig:
    return load_config("cpu", {"product": "p", "data": "d"}, overrides)


def test_another_configuration_is_refused_until_fresh(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "p")
    folder.begin(config(), "digest", fresh=False)
    with pytest.raises(RunOfOtherConfig, match="fit"):
        folder.begin(config("fit.epochs=3"), "digest", fresh=False)
    with pytest.raises(RunOfOtherConfig, match="pictures"):
        folder.begin(config(), "other", fresh=False)
    folder.begin(config("fit.epochs=3"), "digest", fresh=True)
    assert folder.config().fit.epochs == 3


def test_another_promise_goes_on_with_the_same_fit(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "p")
    folder.begin(config(), "digest", fresh=False)
    folder.begin(config("promise=0.01"), "digest", fresh=False)
    assert folder.config().promise == 0.01


def test_fresh_deletes_no_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"precious")
    RunFolder(tmp_path).begin(config(), "digest", fresh=True)
    assert (tmp_path / "picture.png").read_bytes() == b"precious"


def test_a_stage_without_its_input_says_which_comes_first(tmp_path: Path) -> None:
    with pytest.raises(StageMissing, match="training fit"):
        RunFolder(tmp_path).config()


@pytest.mark.parametrize(
    "line", ["fit.epcohs=3", "fit.epochs=0", "product=x", "unet.widths=[]", "nonsense", "input.depth=3"]
)
def test_an_override_that_means_nothing_is_refused(line: str) -> None:
    with pytest.raises(ConfigInvalid):
        config(line)
