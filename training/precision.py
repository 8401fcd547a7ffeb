"""How the reconstruction network is run while it is fitted: in which precision, compiled or not.

In: a U-Net and the configuration. Out: hints (B,3,H,W) → reconstructions (B,3,H,W), float32 whatever happens inside.
While it is fitted its maps lie channel by channel of a pixel, which convolutions of few channels are a third faster on.
Refuses: a machine that cannot compile (`CompileFailed`). The weights stay float32, and so does every score in service.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from detector.unet import UNet
from training.config import FitConfig
from training.errors import CompileFailed

Reconstruct = Callable[[Tensor], Tensor]


def reconstructor(unet: UNet, config: FitConfig) -> Reconstruct:
    """The forward pass of `unet`, which is trained through it; the loss outside sees float32.

    Leaves `unet` with its channels last; training/fit.py puts them back.
    """
    unet.to(memory_format=torch.channels_last)
    run: Reconstruct = _compiled(unet) if config.compile else lambda hints: unet(hints, unet.open_gates())
    half = is_half(config, next(unet.parameters()).device)

    def reconstruct(hints: Tensor) -> Tensor:
        with torch.autocast(hints.device.type, torch.bfloat16, enabled=half):
            return run(hints.contiguous(memory_format=torch.channels_last)).float().contiguous()

    return reconstruct


def is_half(config: FitConfig, device: torch.device) -> bool:
    """Whether the network multiplies in bf16."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 -- no public way


def _compiled(unet: UNet) -> Reconstruct:
    """`unet`, compiled at its first call, and once more for a last batch that is smaller."""
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 -- seconds that only --set fit.compile=true pays

    network, gates = torch.compile(unet), unet.open_gates()

    def reconstruct(hints: Tensor) -> Tensor:
        try:
            drawn: Tensor = network(hints, gates)
        except TorchDynamoException as exc:
            raise CompileFailed(
                f"torch.compile does not work here ({type(exc).__name__}); it needs a C++ compiler on a CPU and Triton "
                "on a GPU; leave fit.compile=false"
            ) from exc
        return drawn

    return reconstruct
