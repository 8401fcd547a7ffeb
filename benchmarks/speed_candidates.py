"""Ways to compute one network on a CPU, side by side: what was kept for the fast engine, and what was not.

In: CPU threads, rounds, batch size. Out: table `candidates-…` in var/benchmarks: least milliseconds a picture, all in
turns, and the largest difference to the reference, of its largest value. torch.compile wants a C++ compiler;
onnxruntime and openvino are tried where they are installed with onnx, and are no dependency.
"""

import argparse
import copy
import io
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch._inductor.config
import torch.nn.functional as F
from report import Row, publish
from speed_subjects import make
from stopwatch import measure
from torch import Tensor, nn

from detector.engine import fold_batch_norms
from detector.heap import keep_freed_memory
from detector.msgms import msgms_distance

Way = Callable[[], Any]
LAST = torch.channels_last
PREWITT = torch.tensor([[1.0, 0.0, -1.0]] * 3) / 3


class Features(nn.Module):
    """MobileNetV2 as the evidence reads it."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Three maps."""
        maps: list[Tensor] = self.network.forward_intermediates(
            pictures, indices=[1, 2, 3], stop_early=True, intermediates_only=True
        )
        return maps


class Reconstruction(nn.Module):
    """The U-Net with its skips open."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, hints: Tensor) -> list[Tensor]:
        """One picture."""
        return [self.unet(hints, self.unet.open_gates())]


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile too: half a minute and a compiler")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    pictures = torch.rand(options.batch, 3, 256, 256)
    rows: list[Row] = []
    for name, ways in (
        ("MobileNetV2", _convolutional(Features(_backbone("features").network), pictures, options)),
        ("U-Net 16–128", _convolutional(Reconstruction(make("residual", "reference").unet), pictures, options)),
        ("ViT-S/8 mask", _attention(pictures)),
        ("MSGMS", _similarity(pictures)),
    ):
        rows += _rows(name, dict(ways), options)
    note = (
        f"256×256, batches of {options.batch}, {options.threads} CPU threads, least of {options.rounds} rounds, "
        "all of a network in turns."
    )
    publish(options.out, f"candidates-{options.threads}-batch-{options.batch}", rows, note=note)


@torch.inference_mode()
def _rows(name: str, ways: dict[str, Way], options: argparse.Namespace) -> list[Row]:
    reference = _tensors(next(iter(ways.values()))())
    largest = max(float(tensor.abs().max()) for tensor in reference)
    taken = measure(ways, rounds=options.rounds)
    first = next(iter(taken.values())).least
    return [
        {
            "network": name,
            "way": way,
            "ms/picture": taken[way].least / options.batch,
            "× the first": first / taken[way].least,
            "difference": f"{_difference(reference, _tensors(run())) / largest:.0e}",
        }
        for way, run in ways.items()
    ]


def _convolutional(network: nn.Module, pictures: Tensor, options: argparse.Namespace) -> Iterator[tuple[str, Way]]:
    folded = copy.deepcopy(network)
    fold_batch_norms(folded)
    last = copy.deepcopy(folded).to(memory_format=LAST)
    half = copy.deepcopy(last).bfloat16()
    yield "layer by layer: the reference engine", lambda: network(pictures)
    yield "batch norms folded", lambda: folded(pictures)
    yield "channels last", _on(copy.deepcopy(network).to(memory_format=LAST), pictures)
    yield "folded and channels last: the folded engine", lambda: last(pictures)
    yield "the same under bfloat16 autocast", _autocast(last, pictures)
    yield "the same, weights and maps in bfloat16", lambda: half(pictures.bfloat16())
    if options.compile:
        yield "torch.compile, frozen", _compiled(network, pictures)
    if find_spec("onnxruntime") and find_spec("openvino") and find_spec("onnx"):
        yield from _runtimes(folded, pictures, options.threads)


def _attention(pictures: Tensor) -> Iterator[tuple[str, Way]]:
    backbone = _backbone("ear")
    literal = copy.deepcopy(backbone.network)
    kept: dict[str, Tensor] = {}
    for block in literal.blocks:
        block.attn.fused_attn = False
    literal.blocks[-1].attn.attn_drop.register_forward_hook(lambda _, __, weights: kept.update(a=weights))

    def run_all() -> Tensor:
        literal.forward_features((pictures - backbone.mean) / backbone.std)
        return kept["a"][:, :, 0, 1:].mean(dim=1).reshape(len(pictures), 1, 32, 32)

    yield "all blocks, attention as a matrix, a hook", run_all
    yield "the last block's CLS row alone, SDPA before: both engines", lambda: backbone.cls_attention(pictures)
    yield "the same under bfloat16 autocast", _autocast(backbone.cls_attention, pictures)


def _similarity(pictures: Tensor) -> Iterator[tuple[str, Way]]:
    others = pictures.roll(1, -1)
    yield "slices: both engines", lambda: msgms_distance(pictures, others)
    yield "depthwise convolutions, both pictures at once", lambda: _depthwise_msgms(pictures, others)


def _depthwise_msgms(pictures: Tensor, others: Tensor) -> Tensor:
    kernels = torch.stack((PREWITT, PREWITT.T)).unsqueeze(1).repeat(3, 1, 1, 1)
    size, both, total = pictures.shape[-2:], torch.cat((pictures, others)), torch.zeros(())
    for scale in range(3):
        both = F.avg_pool2d(both, 2) if scale else both
        padded = F.pad(both, (1, 1, 1, 1), mode="replicate")
        squares = F.conv2d(padded, kernels, groups=3).square().unflatten(1, (3, 2)).sum(dim=2)
        a, b = torch.sqrt(squares + 1e-12).chunk(2)
        distance = (1 - (2 * a * b + 0.0026) / (a * a + b * b + 0.0026)).mean(dim=1, keepdim=True)
        total = total + F.interpolate(distance, size, mode="bilinear", align_corners=False)
    return (total / 3).squeeze(1)


def _compiled(network: nn.Module, pictures: Tensor) -> Way:
    torch._inductor.config.freezing = True  # noqa: SLF001 -- no public switch
    began, compiled = time.perf_counter(), torch.compile(network)
    with torch.no_grad():
        compiled(pictures)
    print(f"compiled in {time.perf_counter() - began:.0f} s", flush=True)

    def run() -> Any:
        with torch.no_grad():
            return compiled(pictures)

    return run


def _runtimes(network: nn.Module, pictures: Tensor, threads: int) -> Iterator[tuple[str, Way]]:
    import onnxruntime  # noqa: PLC0415 -- where it is installed
    import openvino  # noqa: PLC0415

    file, array = io.BytesIO(), pictures.numpy()
    with torch.no_grad():
        torch.onnx.export(network.eval(), (pictures,), file, dynamo=False, input_names=["pictures"])
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file.getvalue(), settings, providers=["CPUExecutionProvider"])
    yield "ONNX Runtime", lambda: session.run(None, {"pictures": array})
    model = openvino.Core().read_model(file.getvalue())
    for precision in ("f32", "bf16"):
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
        yield f"OpenVINO, {precision}", lambda request=request: list(request.infer({0: array}).values())


def _autocast(run: Callable[[Tensor], Any], pictures: Tensor) -> Way:
    def half() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return run(pictures)

    return half


def _on(run: Callable[[Tensor], Any], pictures: Tensor) -> Way:
    return lambda: run(pictures)


def _backbone(name: str) -> Any:
    return make(name, "reference").backbone


def _tensors(found: Any) -> list[Tensor]:
    return [torch.as_tensor(value).float() for value in (found if isinstance(found, (list, tuple)) else [found])]


def _difference(some: list[Tensor], others: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(some, others, strict=True))


if __name__ == "__main__":
    main()
