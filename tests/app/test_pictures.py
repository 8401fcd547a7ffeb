"""Heatmaps on disk: whole or not at all, and within their limits."""

from pathlib import Path

import pytest

from app.picture_errors import HeatmapExpired, HeatmapLost, HeatmapUnavailable
from app.pictures import BLOCK, STEP, PictureStore, Retention

FOREVER = Retention(max_bytes=1 << 40, max_age_s=1e12)
NOW = 1e11  # long after every save of a test


def filled(root: Path, count: int, retention: Retention = FOREVER) -> PictureStore:
    store = PictureStore(root, retention)
    for number in range(count):
        store.save(f"{number:04}", "png", b"x" * 10)
    return store


def test_what_was_saved_is_loaded_and_lies_where_it_is_said_to(tmp_path: Path) -> None:
    store = PictureStore(tmp_path, FOREVER)
    store.save("abcd", "raw", b"\x00\x01")
    store.save("abce", "overlay", b"PNG")
    assert (store.load("abcd", "raw"), store.load("abce", "overlay")) == (b"\x00\x01", b"PNG")
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == ["abcd.raw", "abce.png"]


def test_too_many_bytes_send_the_oldest_away(tmp_path: Path) -> None:
    store = filled(tmp_path, 5, Retention(max_bytes=3 * BLOCK))
    assert store.expire(0) == 2
    assert store.bytes == 3 * BLOCK
    with pytest.raises(HeatmapExpired):
        store.load("0001", "png")
    assert store.load("0002", "png")


def test_age_sends_them_away_too(tmp_path: Path) -> None:
    store = filled(tmp_path, 2, Retention(max_age_s=60))
    assert store.expire(0) == 0
    assert store.expire(NOW) == 2
    assert store.bytes == 0


def test_a_sweep_goes_in_small_steps(tmp_path: Path) -> None:
    store = filled(tmp_path, STEP + 1, Retention(max_age_s=60))
    assert [store.expire(NOW) for _ in range(3)] == [STEP, 1, 0]


def test_a_new_process_finds_what_the_one_before_kept_and_what_its_crash_left(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    (tmp_path / "note.txt").write_text("a stray file hides nothing")
    (tmp_path / "00" / ".0009.png.tmp").write_bytes(b"half")
    store = PictureStore(tmp_path, Retention(max_age_s=60))
    store.save("0002", "png", b"x")
    store.scan()
    assert store.bytes == 4 * BLOCK
    assert store.expire(NOW) == 4
    assert not list((tmp_path / "00").iterdir())


def test_a_disk_that_refuses_loses_the_heatmap_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "ab").write_text("no folder")
    store = PictureStore(tmp_path, FOREVER)
    with pytest.raises(HeatmapLost, match="cannot be kept"):
        store.save("abcd", "png", b"x")
    with pytest.raises(HeatmapUnavailable):
        store.load("abcd", "png")
    store.scan()
    assert store.bytes == 0
