"""Devices that can be asked, and those that cannot."""

from pathlib import Path

import pytest

from app.nvml import read_devices

DRIVER = Path("/proc/driver/nvidia/version")


def test_a_cpu_is_not_asked() -> None:
    assert read_devices(["cpu"]) == []


@pytest.mark.skipif(DRIVER.exists(), reason="an NVIDIA driver is here")
def test_without_a_driver_nothing_is_known_and_nothing_fails() -> None:
    assert read_devices(["cuda:0"]) == []


@pytest.mark.gpu
def test_a_device_says_what_it_has_and_how_busy_it_is() -> None:
    (load,) = read_devices(["cuda:0"])
    assert 0 < load.used_bytes < load.memory_bytes
    assert 0 <= load.busy <= 1
