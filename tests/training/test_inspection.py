"""One picture, one published version, no service."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.errors import UnsupportedFormat
from model_store.artifact import LoadedModel
from model_store.errors import HashMismatch
from model_store.registry import Registry
from tests.model_store.drafts import golden_file, make_draft, png, score_of
from training.cli import main
from training.errors import PictureMissing
from training.inspection import inspect_file, load_version
from training.plain_words import VERDICTS
from training.strip import GAP, SIDE, draw_strip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    return tmp_path / "store"


@pytest.fixture
def model(store: Path) -> LoadedModel:
    return load_version(store, "plate@1")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "part.png").write_bytes(png(np.random.default_rng(3)))
    return tmp_path / "part.png"


def test_the_score_is_the_one_that_the_detector_gives_alone(model: LoadedModel, picture: Path) -> None:
    part = inspect_file(model, picture)
    assert part.judgement.score == score_of(model.detector, picture.read_bytes())


def test_a_damaged_version_is_refused_as_in_service(store: Path) -> None:
    golden_file(store / "products/plate/versions/1").write_bytes(b"other")
    with pytest.raises(HashMismatch):
        load_version(store, "plate")


def test_a_file_that_is_no_picture_is_named(model: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(UnsupportedFormat, match=r"notes\.png"):
        inspect_file(model, tmp_path / "notes.png")
    with pytest.raises(PictureMissing, match=r"absent\.png"):
        inspect_file(model, tmp_path / "absent.png")


def test_the_strip_has_a_row_for_each_part_and_a_panel_for_each_step(model: LoadedModel, picture: Path) -> None:
    part = inspect_file(model, picture)
    one, two = draw_strip(model, [part]), draw_strip(model, [part, part])
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)
    assert one.shape[1] == GAP + 7 * (SIDE + GAP)  # image, hidden, mosaic, gate, reconstruction, map, overlay
    assert np.array_equal(two[: len(one)], one)


def test_the_command_says_the_verdict_in_words_and_writes_the_strip(
    store: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new/strip.png"
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(picture), f"--store={store}", "--product=plate", f"--out={out}"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "plate@1: ng above" in said
    judgement = inspect_file(load_version(store, "plate"), picture).judgement
    assert f"score {judgement.score:.6g}" in said
    assert [words for words in VERDICTS.values() if words in said] == [VERDICTS[judgement.verdict]]
    with Image.open(out) as strip:
        assert strip.size[0] > SIDE
