"""Pictures and heatmaps by the hash of their bytes: whole or not at all, and within their limits."""

import hashlib
from pathlib import Path

import pytest

from app.folder import BLOCK, Folder
from app.picture_errors import HeatmapExpired, HeatmapLost, HeatmapUnavailable, ImageDamaged
from app.pictures import HEATMAPS, PICTURES, STEP, PictureStore, Retention

FOREVER = Retention(max_bytes=1 << 40, max_age_s=1e12)
NOW = 1e11  # long after every save of a test


def store_in(root: Path, retention: Retention = FOREVER) -> PictureStore:
    return PictureStore(Folder(root), HEATMAPS, retention)


def filled(store: PictureStore, count: int) -> list[str]:
    return [store.save(f"{number:04}".encode()) for number in range(count)]


def test_what_was_saved_is_loaded_and_lies_under_its_hash(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"PNG").hexdigest()
    store = store_in(tmp_path)
    assert store.save(b"PNG") == store.save(b"PNG") == f"{digest[:2]}/{digest}"
    assert store.load(f"{digest[:2]}/{digest}") == b"PNG"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / digest[:2] / digest]
    assert store.bytes == BLOCK


def test_too_many_bytes_send_the_oldest_away(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_bytes=3 * BLOCK))
    names = filled(store, 5)
    assert store.expire(0) == 2
    assert store.bytes == 3 * BLOCK
    with pytest.raises(HeatmapExpired):
        store.load(names[1])
    assert store.load(names[2])


def test_what_is_saved_again_is_young_again(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_bytes=2 * BLOCK))
    names = filled(store, 3)
    store.save(b"0000")
    assert store.expire(0) == 1
    assert store.load(names[0])


def test_age_sends_them_away_too(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_age_s=60))
    filled(store, 2)
    assert store.expire(0) == 0
    assert store.expire(NOW) == 2
    assert store.bytes == 0


def test_what_is_on_hold_stays_and_counts_beside_the_limits(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_bytes=2 * BLOCK, max_age_s=60))
    names = filled(store, 4)
    assert store.expire(0, held=names[:2]) == 0
    assert store.expire(NOW, held=names[:2]) == 2
    assert store.load(names[0])
    assert (store.amount(names[:2]).held_bytes, store.amount(names[:2]).oldest) == (2 * BLOCK, None)


def test_a_sweep_goes_in_small_steps(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_age_s=60))
    filled(store, STEP + 1)
    assert [store.expire(NOW) for _ in range(3)] == [STEP, 1, 0]


def test_a_new_process_finds_what_the_one_before_kept_and_what_its_crash_left(tmp_path: Path) -> None:
    name = filled(store_in(tmp_path), 2)[0]
    (tmp_path / "note.txt").write_text("a stray file hides nothing")
    (tmp_path / name[:2] / ".0009.tmp").write_bytes(b"half")
    store = store_in(tmp_path, Retention(max_age_s=60))
    store.save(b"0002")
    store.scan()
    assert store.bytes == 4 * BLOCK
    assert store.expire(NOW) == 4
    assert not list((tmp_path / name[:2]).iterdir())


def test_what_another_process_has_kept_again_is_left(tmp_path: Path) -> None:
    store = store_in(tmp_path, Retention(max_age_s=60))
    store.scan()
    (name,) = filled(store, 1)
    store._kept[name] = store._kept[name]._replace(saved_at=0)
    assert store.expire(NOW) == 1
    assert store.load(name)
    assert store.expire(NOW) == 1
    with pytest.raises(HeatmapExpired):
        store.load(name)


def test_bytes_that_were_changed_on_disk_are_not_given_as_the_picture(tmp_path: Path) -> None:
    store = PictureStore(Folder(tmp_path), PICTURES, FOREVER)
    name = store.save(b"picture")
    (tmp_path / name).write_bytes(b"pictura")
    with pytest.raises(ImageDamaged):
        store.load(name)


def test_a_disk_that_refuses_loses_the_heatmap_and_leaves_nothing(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    (tmp_path / digest[:2]).write_text("no folder")
    store = store_in(tmp_path)
    with pytest.raises(HeatmapLost, match="cannot be kept"):
        store.save(b"x")
    with pytest.raises(HeatmapUnavailable):
        store.load(f"{digest[:2]}/{digest}")
    store.scan()
    assert store.bytes == 0


def test_a_place_is_tried_out_and_nothing_stays(tmp_path: Path) -> None:
    store = store_in(tmp_path / "new")
    store.try_out()
    assert (store.bytes, [path for path in tmp_path.rglob("*") if path.is_file()]) == (0, [])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HeatmapUnavailable, match="takes no heatmaps: Not a directory"):
        store_in(tmp_path / "file").try_out()
