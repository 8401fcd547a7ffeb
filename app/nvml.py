"""Memory and load of CUDA devices, from NVIDIA's management library where it and its Python binding are.

In: devices as the settings name them (`cuda:0`). Out: one `DeviceLoad` each. Refuses nothing: what cannot be read is
left out, for a figure on a dashboard is no reason to fail. Needs no CUDA context, so it takes no device memory.
NVML counts devices in PCI order; set CUDA_DEVICE_ORDER=PCI_BUS_ID where they are of several kinds.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

try:
    import pynvml
except ImportError:
    pynvml = None

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceLoad:
    """One device now, whoever uses it."""

    device: str
    memory_bytes: int
    used_bytes: int
    busy: float
    """Share of the last sampling period (up to a second) in which a kernel ran, 0 … 1."""


def read_devices(devices: Iterable[str]) -> list[DeviceLoad]:
    """Those of `devices` that are CUDA's and can be asked. Some milliseconds: call it beside the event loop."""
    wanted = [name for name in devices if name.startswith("cuda")]
    if pynvml is None or not wanted:
        return []
    loads = []
    try:
        pynvml.nvmlInit()
        for name in wanted:
            handle = _handle(int(name.partition(":")[2] or 0))
            memory, rates = pynvml.nvmlDeviceGetMemoryInfo(handle), pynvml.nvmlDeviceGetUtilizationRates(handle)
            loads.append(DeviceLoad(name, int(memory.total), int(memory.used), rates.gpu / 100))
        pynvml.nvmlShutdown()
    except (pynvml.NVMLError, ValueError) as error:
        log.debug("NVML cannot be asked: %s", error)
    return loads


def _handle(index: int) -> object:
    """Of the device that CUDA calls `index`, which CUDA_VISIBLE_DEVICES may have renumbered."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    name = visible[index] if index < len(visible) else str(index)
    if name.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
