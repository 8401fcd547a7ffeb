"""Large pictures in training: windows, statistics that fit into memory, pictures on disk, a fit from end to end."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detector.build import build_detector
from detector.heatmap import HeatmapScale
from detector.pipeline import Detector, Explanation, stack
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, TileSpec, UNetSpec
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry
from training import calibrate, data, fit_fusion, run
from training.calibrate import score_pictures, score_samples
from training.choose_statistics import choose_statistics
from training.cli import main
from training.config import load_config
from training.crops import cut, cut_masks, draw_places, take_views, window_evidence
from training.data import Sample, load_pictures, read_dataset
from training.dataset_lint import check_dataset
from training.errors import ConfigInvalid, StatisticsTooLarge
from training.fit_evidence import fit_evidence
from training.fit_fusion import sit_trial
from training.rebuild import Pictures
from training.statistics_size import MOST_BYTES, settle_statistics
from training.steps import draw_steps

CPU = torch.device("cpu")
ENCODER = FeatureSpec(levels=(0, 1), stride=8, dimensions=6, statistics="pooled", surround=3)
EVIDENCE = EvidenceSpec(maps=("l1", "encoder"), encoder=ENCODER, standardise="pooled", smooth=1)
SPEC = DetectorSpec(
    input=InputSpec(height=352, width=416),
    mosaic_scale=4,
    unet=UNetSpec(widths=(4, 8)),
    fader=None,
    evidence=EVIDENCE,
    tiles=TileSpec(side=160, overlap=32),
)


def make_detector(spec: DetectorSpec = SPEC) -> Detector:
    torch.manual_seed(0)
    return build_detector(spec)


def sheets(count: int, seed: int = 0) -> Pictures:
    """Bright squares on a dark noisy field."""
    random = np.random.default_rng(seed)
    drawn = random.integers(40, 60, (count, 352, 416, 3))
    for sheet in drawn:
        for y, x in random.integers(0, 330, (12, 2)):
            sheet[y : y + 20, x : x + 20] += random.integers(60, 120)
    return drawn.astype(np.uint8)


def test_the_same_seed_draws_the_same_windows_as_many_from_each_picture() -> None:
    pictures = sheets(3)
    places = draw_places(pictures, 9, seed=1)
    assert places == draw_places(pictures, 9, seed=1) != draw_places(pictures, 9, seed=2)
    assert [place.row for place in places] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert all(place.top % 32 == place.left % 32 == 0 for place in places)
    assert cut(pictures, places).shape == (9, 256, 256, 3)


def test_pictures_smaller_than_a_window_are_windows() -> None:
    pictures = sheets(2)[:, :64, :96]
    assert cut(pictures, draw_places(pictures, 4, seed=0)).shape == (4, 64, 96, 3)


def test_without_tiles_networks_are_fitted_on_the_pictures() -> None:
    pictures = sheets(2)
    views = take_views(pictures, None, 9, seed=0)
    assert views.pictures is pictures
    assert views.masks(make_detector()) is None


def test_the_mask_of_a_window_is_that_of_the_whole_picture() -> None:
    detector, pictures = make_detector(), sheets(2)
    places = draw_places(pictures, 5, seed=0)
    whole = detector.saliency(stack(list(pictures), CPU))
    for place, mask in zip(places, cut_masks(detector, pictures, places), strict=True):
        assert torch.equal(mask, whole[place.row, :, place.top : place.top + 256, place.left : place.left + 256])


def test_the_evidence_of_a_window_is_that_of_the_whole_picture_but_at_its_border() -> None:
    detector, pictures = make_detector(), sheets(6)
    fit_evidence(detector, pictures[:4], pictures[4:])
    (place,) = draw_places(pictures[:1], 1, seed=3)
    batch = stack(list(pictures[:1]), CPU)
    with torch.no_grad():
        whole = detector.evidence.standardiser(detector.raw_evidence(batch))
        window = batch[..., place.top : place.top + 256, place.left : place.left + 256]
        mask = cut_masks(detector, pictures, [place])
        seen = window_evidence(detector, place, window, mask)
    expected = whole[..., place.top : place.top + 256, place.left : place.left + 256]
    torch.testing.assert_close(seen[..., 48:-48, 48:-48], expected[..., 48:-48, 48:-48], atol=1e-4, rtol=1e-4)


def test_weights_are_chosen_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_fusion, "MOST", 5)
    detector, pictures = make_detector(), sheets(4)
    fit_evidence(detector, pictures[:2], pictures[2:])
    trial = sit_trial(detector, pictures[2:], seed=0)
    assert trial.good.shape == (5, 2, 64, 64)
    assert trial.damaged.shape == (15, 2, 64, 64)
    # the first damaged twins are of the same windows: untouched places look alike
    near = (trial.damaged[:5] - trial.good).abs().amax(dim=1)[~torch.from_numpy(trial.masks[:5])]
    assert near.median() < 0.1


def test_statistics_of_every_place_are_pooled_where_they_do_not_fit() -> None:
    encoder = FeatureSpec(levels=(0,), stride=4, dimensions=64)
    large = replace(
        SPEC,
        input=InputSpec(height=2048, width=2048),
        unet=UNetSpec(widths=(64, 64)),
        evidence=replace(EVIDENCE, encoder=encoder),
    )
    settled = settle_statistics(large, None, auto=True)
    assert (settled.evidence.encoder.statistics, settled.evidence.standardise) == ("pooled", "pooled")
    with pytest.raises(StatisticsTooLarge, match=r"version of 21\d\d MB.*from 64 to 3\d"):
        settle_statistics(large, None, auto=False)
    assert settle_statistics(SPEC, None, auto=False) is SPEC
    assert MOST_BYTES == 512 << 20


def test_where_only_pooled_ones_fit_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.statistics_size.MOST_BYTES", 100_000)
    detector, pictures = make_detector(), sheets(20)
    assert choose_statistics(detector, pictures[:2], pictures[2:], seed=0) == {}
    assert detector.spec.evidence.encoder.statistics == "pooled"


def test_many_large_pictures_lie_on_disk_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, sheet in enumerate(sheets(3)):
        Image.fromarray(sheet).save(tmp_path / f"{number}.png")
    samples = [Sample(tmp_path / f"{number}.png", "", "good") for number in range(3)]
    in_memory = load_pictures(samples, SPEC.input, tmp_path / "run")
    monkeypatch.setattr(data, "IN_MEMORY", 1000)
    on_disk = load_pictures(samples, SPEC.input, tmp_path / "run")
    assert isinstance(on_disk, np.memmap)
    assert np.array_equal(on_disk, in_memory)
    assert list((tmp_path / "run").iterdir()) == []


def test_files_are_scored_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = sheets(3)
    for number, sheet in enumerate(pictures):
        Image.fromarray(sheet).save(tmp_path / f"{number}.png")
    samples = [Sample(tmp_path / f"{number}.png", "", "good") for number in range(3)]
    monkeypatch.setattr(calibrate, "IN_MEMORY", 2 * 3 * 352 * 416)
    scored, at_once = score_samples(make_detector(), samples), score_pictures(make_detector(), pictures)
    assert np.array_equal(scored.scores, at_once.scores)
    assert np.array_equal(scored.heatmaps, at_once.heatmaps)
    assert score_samples(make_detector(), []).heatmaps.shape == (0, 352, 416)


def test_maps_of_large_pictures_are_kept_as_means(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, pictures = make_detector(), sheets(2)
    full = score_pictures(detector, pictures)
    monkeypatch.setattr(calibrate, "MAP_PIXELS", 40_000)
    kept = score_pictures(detector, pictures)
    assert np.array_equal(kept.scores, full.scores)
    assert kept.heatmaps.shape == (2, 176, 208)
    np.testing.assert_allclose(kept.heatmaps[0, 0, 0], full.heatmaps[0, :2, :2].mean(), rtol=1e-5)


def test_who_trains_on_shrunk_large_pictures_hears_of_tiles(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(random.integers(0, 255, (1300, 1700), np.uint8)).save(tmp_path / f"{number}.png")
    config = load_config("cpu", {"product": "p", "data": str(tmp_path)}, ["promise=0.4"])
    (warning,) = check_dataset(read_dataset(tmp_path, hold_out=0.2, calibrate=0.2), config)
    assert "shrunk 6.6 times" in warning
    assert "--config tiles --set input.height=1296 --set input.width=1696" in warning


@pytest.mark.parametrize(("given", "reason"), [("align.use=on", "not aligned"), ("tiles.side=1000", "multiples of 32")])
def test_what_does_not_go_with_tiles_is_said_before_the_fit(given: str, reason: str) -> None:
    with pytest.raises(ConfigInvalid, match=reason):
        load_config("tiles", {"product": "p", "data": "x"}, [given])


def test_a_time_budget_does_not_go_with_tiles() -> None:
    with pytest.raises(ConfigInvalid, match="give fit"):
        load_config("tiles", {"product": "p", "data": "x", "time_budget": "10m"}, [])


def test_a_large_part_is_shown_close_up_where_its_map_is_highest() -> None:
    pixels = np.zeros((1024, 1536, 3), np.uint8)
    pixels[1000:1012, 1500:1512] = 200
    heatmap = pixels[..., 0].astype(np.float32)
    part, gate = torch.zeros(1, 3, 1024, 1536), torch.zeros(1, 1, 1024, 1536)
    seen = Explanation(gate, part, None, part, torch.from_numpy(heatmap)[None], torch.zeros(1))
    *_, place, over = draw_steps(pixels, seen, HeatmapScale(low=0, centre=100, high=200))
    assert place.caption == "highest place"
    assert place.pixels.shape == over.pixels.shape == (171, 256, 3)
    assert place.pixels.max() == 200


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sheets on disk, good ones and some with a dark spot of 12 px."""
    monkeypatch.setattr(run, "FITTED_ON", 12)
    monkeypatch.setattr(run, "HELD_OUT", 6)
    monkeypatch.setattr(fit_fusion, "MOST", 6)
    drawn = sheets(16)[:, :192, :288]
    drawn[14:, 100:112, 100:112] = 0
    for kind, rows in (("train/good", drawn[:12]), ("test/good", drawn[12:14]), ("test/spot", drawn[14:])):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number, sheet in enumerate(rows):
            Image.fromarray(sheet).save(tmp_path / "data" / kind / f"{number}.png")
    return tmp_path


def test_a_product_is_trained_and_loaded_in_tiles(product: Path) -> None:
    lines = ["input.height=192", "input.width=288", "tiles.side=96", "tiles.overlap=32", "unet.widths=[4,8]"]
    lines += ["fit.epochs=1", "fit.batch_size=2", "fit.learning_rate=0.01", "fader.epochs=1"]
    lines += ["promise=0.3", "review_rate=0", "split.calibrate=0.25"]
    options = [f"--{name}={product / name}" for name in ("data", "store", "runs")]
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--product=sheet", "--config=tiles", *options, *(f"--set={line}" for line in lines)])
    assert not ended.value.code
    registry = Registry(product / "store")
    model = load_artifact(registry.resolve("sheet").path, BackboneStore(registry.backbones_root), CPU)
    assert model.detector.spec.tiles == TileSpec(side=96, overlap=32)
    assert model.detector.spec.evidence.reduce == "window-top-mean"
    assert "image_auroc" in json.loads((product / "runs/sheet/scores.json").read_text())["metrics"]
    assert (product / "runs/sheet/report.html").stat().st_size > 10_000
