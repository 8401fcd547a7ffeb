"""What an exception means for the device, told by name, and by torch's own classes."""

import pytest
import torch

from app.device_faults import is_device_fault, is_out_of_memory
from tests.app.fake_detector import AcceleratorError, OutOfMemoryError


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), True),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError("CUDA error: said somebody else"), False),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
    ],
)
def test_a_fault_of_the_device_is_told_from_one_of_the_batch(error: Exception, fault: bool) -> None:
    assert is_device_fault(error) is fault
    assert is_out_of_memory(error) is isinstance(error, OutOfMemoryError)


def test_torch_still_calls_them_so() -> None:
    assert is_device_fault(torch.AcceleratorError("CUDA error"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
