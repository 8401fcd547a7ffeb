"""The C library keeps what a forward pass has freed, so that the next one need not fetch it page by page.

Maps of a picture have megabytes; glibc gives each back to the system at once and asks for it anew, and the kernel
clears every page again: on a CPU that took longer than the arithmetic (docs/adr/0017).
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h>
KEPT_BYTES = 512 << 20  # of one process, at most; what is beyond goes back to the system


def keep_freed_memory() -> bool:
    """Whether the C library can be told; elsewhere than on glibc nothing happens. Call it before anything is large."""
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(M_MMAP_MAX, 0)) and bool(tell(M_TRIM_THRESHOLD, KEPT_BYTES))
