"""Two versions of a product on the same pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.calibration import calibrate
from model_store.artifact import Draft, LoadedModel
from model_store.registry import Registry
from tests.model_store.drafts import make_draft, png
from training.cli import main
from training.compare import Comparison, compare
from training.comparison_table import meaning, to_json
from training.data import read_dataset
from training.errors import DatasetError, ProductsDiffer
from training.inspection import load_version


def strict(draft: Draft) -> Draft:
    """The same detector with thresholds that every part exceeds."""
    low = min(draft.calibration.scores) - 1000
    return replace(draft, calibration=calibrate([low] * 30, promise=0.05, review_rate=0.0, map_floor=low - 1))


def lenient(draft: Draft) -> Draft:
    """The same detector with thresholds that no part exceeds."""
    high = max(draft.calibration.scores) + 1000
    return replace(draft, calibration=calibrate([high] * 30, promise=0.05, review_rate=0.0, map_floor=high - 1))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """plate@1 passes everything, plate@2 rejects everything, plate@3 has other weights."""
    registry = Registry(tmp_path / "store")
    for draft in (lenient(make_draft()), strict(make_draft()), lenient(make_draft(seed=1)), make_draft("other")):
        registry.publish(draft, activate=True)
    return tmp_path / "store"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six good parts and two with a dent, in the test folders of an MVTec AD layout."""
    random = np.random.default_rng(5)
    for kind, count in (("train/good", 2), ("test/good", 6), ("test/dent", 2)):
        folder = tmp_path / "data" / kind
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number}.png").write_bytes(png(random))
    return tmp_path / "data"


def load(store: Path, *references: str) -> list[LoadedModel]:
    return [load_version(store, reference) for reference in references]


@pytest.fixture
def comparison(store: Path, data: Path) -> Comparison:
    return compare(*load(store, "plate@1", "plate@2"), data)


def test_every_flip_is_listed_with_its_path_and_what_it_means(comparison: Comparison, data: Path) -> None:
    flips = {pair.before.path: (pair.before.verdict, pair.after.verdict, meaning(pair)) for pair in comparison.flips}
    assert flips[str(data / "test/good/0.png")] == ("ok", "ng", "a new false reject")
    assert flips[str(data / "test/dent/1.png")] == ("ok", "ng", "no escape any more")
    assert len(flips) == 8


def test_only_test_pictures_count_where_there_are_some(comparison: Comparison) -> None:
    assert (comparison.before.good, comparison.before.defective) == (6, 2)
    assert comparison.warnings == ()


def test_the_observed_false_reject_rate_has_wilsons_interval(comparison: Comparison) -> None:
    none, all_of_them = comparison.before.false_reject_rate, comparison.after.false_reject_rate
    assert none is not None
    assert all_of_them is not None
    z2 = 1.959964**2
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, z2 / (6 + z2)), abs=1e-6)
    assert (all_of_them.value, all_of_them.low) == pytest.approx((1, 6 / (6 + z2)), abs=1e-6)


def test_one_detector_with_two_thresholds_ranks_parts_alike_and_another_does_not(store: Path, data: Path) -> None:
    same, other = (compare(*load(store, "plate@1", name), data) for name in ("plate@2", "plate@3"))
    assert same.rank_correlation == pytest.approx(1)
    assert other.rank_correlation is not None
    assert other.rank_correlation < 1
    assert any(pair.rank_change for pair in other.pairs)
    assert same.before.image_auroc == same.after.image_auroc


def test_versions_of_different_products_are_refused(store: Path, data: Path) -> None:
    with pytest.raises(ProductsDiffer, match="plate@1 and other@1"):
        compare(*load(store, "plate@1", "other@1"), data)


def test_a_folder_without_pictures_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        compare(*load(store, "plate@1", "plate@2"), tmp_path)


def test_pictures_that_a_version_was_made_from_are_warned_of(store: Path, data: Path) -> None:
    folder = data / "test/good"
    draft = lenient(make_draft())
    digest = read_dataset(folder, hold_out=0.2, calibrate=0.2).digest
    training = draft.training.model_copy(update={"data_digest": digest})
    Registry(store).publish(replace(draft, training=training), activate=False)
    found = compare(*load(store, "plate@1", "plate@4"), folder)
    assert [warning.split(" was made from")[0] for warning in found.warnings] == ["plate@4"]
    assert found.before.image_auroc is None


def test_the_command_prints_both_versions_and_writes_json(
    store: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    with pytest.raises(SystemExit) as ended:
        main(["compare", "plate@1", "plate@2", f"--data={data}", f"--store={store}", f"--json={out}"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "8 of 8 verdicts flip" in said
    assert json.loads(out.read_text()) == to_json(compare(*load(store, "plate@1", "plate@2"), data))
