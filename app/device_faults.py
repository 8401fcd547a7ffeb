"""What an exception of the worker means for its device. Pure, and without torch: it goes by names and words.

In: whatever loading or scoring raised. Out: whether the device can still be used. Refuses nothing.
"""

FAULTS = frozenset({"torch.AcceleratorError"})
OUT_OF_MEMORY = frozenset({"torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"})
FAULT_WORDS = ("CUDA error",)  # how a RuntimeError of torch begins when a kernel failed
EXIT_CODE = 70  # of a worker whose device is lost; EX_SOFTWARE of sysexits.h


def is_device_fault(error: BaseException) -> bool:
    """Whether a kernel failed: every later call in this process's context fails too, and only a new process helps."""
    if is_out_of_memory(error):
        return False
    return not FAULTS.isdisjoint(_names(error)) or (
        isinstance(error, RuntimeError) and str(error).startswith(FAULT_WORDS)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: the device is well, and a smaller batch may fit."""
    return not OUT_OF_MEMORY.isdisjoint(_names(error))


def _names(error: BaseException) -> set[str]:
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
