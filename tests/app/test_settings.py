"""Which workers are started."""

from pathlib import Path

import pytest

from app.settings import MOST_CPU_WORKERS, find_devices


@pytest.mark.parametrize(
    ("setting", "cores", "devices"),
    [
        ("auto", 1, ("cpu",)),
        ("auto", 2, ("cpu", "cpu")),
        ("auto", 64, ("cpu",) * MOST_CPU_WORKERS),
        ("cpu", 8, ("cpu",)),
        ("cuda:0, cuda:0,cuda:1", 8, ("cuda:0", "cuda:0", "cuda:1")),
    ],
)
def test_without_a_gpu_auto_is_a_worker_a_core(
    setting: str, cores: int, devices: tuple[str, ...], tmp_path: Path
) -> None:
    assert find_devices(setting, cores, tmp_path / "none") == devices


def test_auto_is_every_gpu_that_the_driver_knows(tmp_path: Path) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert find_devices("auto", 8, tmp_path) == ("cuda:0", "cuda:1")
