"""Everything wrong with a dataset, at once and with paths."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from training.config import TrainConfig, load_config
from training.data import read_dataset, split_by_content
from training.dataset_lint import check_dataset
from training.errors import DatasetError
from training.sample import SampleConfig, draw_product


@pytest.fixture
def root(tmp_path: Path) -> Path:
    draw_product(tmp_path / "data", SampleConfig(train=30, test_good=2, per_kind=1, size=48))
    return tmp_path / "data"


def lint(root: Path, *overrides: str) -> tuple[str, ...]:
    config: TrainConfig = load_config("cpu", {"product": "p", "data": str(root)}, ["promise=0.2", *overrides])
    return check_dataset(read_dataset(root, hold_out=0.2, calibrate=0.2), config)


def test_a_drawn_product_is_clean(root: Path) -> None:
    assert lint(root) == ()


def test_all_errors_are_listed_at_once_with_paths(root: Path) -> None:
    good = root / "train/good"
    (good / "000.png").write_bytes(b"no picture")
    (good / "001.png").write_bytes((good / "002.png").read_bytes()[:-40])
    shutil.copy(good / "003.png", root / "test/good/copy.png")
    Image.new("L", (9, 9)).save(root / "ground_truth/stain/000_mask.png")
    with pytest.raises(DatasetError) as raised:
        lint(root, "promise=0.01")
    message = str(raised.value)
    for part in (
        "000.png: UnsupportedFormat",
        "001.png: Truncated",
        "copy.png is the same file",
        "mask is 9x9",
        "needs 99",
    ):
        assert part in message


def test_one_content_under_two_labels_is_an_error_with_both_paths(root: Path) -> None:
    shutil.copy(root / "test/stain/000.png", root / "test/good/fine.png")
    shutil.copy(root / "test/stain/000.png", root / "test/dent/other.png")
    with pytest.raises(DatasetError, match="2 errors") as raised:
        lint(root)
    message = str(raised.value)
    assert f"{root / 'test/good/fine.png'} (good) is the same file as {root / 'test/dent/other.png'} (dent)" in message
    assert f"{root / 'test/stain/000.png'} (stain) is the same file" in message


def test_a_copy_under_the_same_label_is_no_error(root: Path) -> None:
    shutil.copy(root / "test/good/000.png", root / "test/good/again.png")
    assert lint(root) == ()


def test_a_mask_without_its_picture_is_warned_of_with_its_path(root: Path) -> None:
    (root / "test/stain/000.png").unlink()
    shutil.copy(root / "ground_truth/dent/000_mask.png", root / "ground_truth/dent/renamed_mask.png")
    (warning,) = lint(root)
    assert "2 masks have no picture" in warning
    assert str(root / "ground_truth/stain/000_mask.png") in warning
    assert str(root / "ground_truth/dent/renamed_mask.png") in warning


def test_no_good_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no good pictures"):
        lint(tmp_path)


def test_odd_pictures_are_warned_of(root: Path) -> None:
    Image.new("RGB", (60, 48), (255, 20, 20)).save(root / "train/good/red.png")
    Image.new("RGB", (48, 48), (255, 255, 255)).save(root / "train/good/white.png")
    warnings = "\n".join(lint(root))
    assert "2 sizes" in warnings
    assert "1 in colour" in warnings
    assert "white.png" in warnings


def test_a_training_folder_without_a_test_folder_is_read(root: Path) -> None:
    shutil.rmtree(root / "test")
    dataset = read_dataset(root, hold_out=0.2, calibrate=0.2)
    assert dataset.test == ()
    assert (len(dataset.train), len(dataset.hold_out), len(dataset.calibrate)) == (18, 6, 6)


def test_copies_land_on_one_side_and_names_do_not_matter(root: Path) -> None:
    for number in range(30):
        shutil.copy(root / f"train/good/{number:03d}.png", root / f"train/good/copy-{number:03d}.png")
    samples = read_dataset(root, hold_out=0.2, calibrate=0.2).roles
    sides = [{sample.digest for sample in samples[role]} for role in ("train", "hold_out", "calibrate")]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    backwards = split_by_content(samples["train"][::-1], hold_out=0.5, calibrate=0.2)
    assert {s.path for s in backwards[0]} == {
        s.path for s in split_by_content(samples["train"], hold_out=0.5, calibrate=0.2)[0]
    }
