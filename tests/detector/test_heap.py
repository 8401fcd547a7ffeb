"""Memory that a forward pass has freed is there for the next one."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import ctypes, resource, sys
from detector.heap import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    maps = libc.malloc(48 << 20)
    libc.memset(maps, 1, 48 << 20)
    libc.free(maps)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_faults(how: str) -> int:
    """Pages that the kernel had to find for eight rounds of the same maps."""
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("this C library cannot be told")
    return int(done.stdout)


def test_maps_of_the_last_picture_are_memory_for_the_next() -> None:
    assert count_faults("keep") < 0.3 * count_faults("leave")
