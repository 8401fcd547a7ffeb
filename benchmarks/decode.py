"""Bytes of a picture → what the networks see: the service's way beside Pillow's plain one and beside other decoders.

In: nothing; pictures are drawn, with the grain of a camera, and saved as cameras send them. Out: milliseconds of
CPU (median) of each way on one core, and of the stages of ours. Exit code 1 where a 5 Mpx JPEG of a machine-vision
camera is not AIM times as quick as decoding it whole with Pillow and resizing. Decoders that are not installed are
left out.
"""

import argparse
import hashlib
import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image
from report import Row, publish

from detector.decode import MIB, DecodeLimits, decode
from detector.image_health import measure
from detector.preprocess import resize_to_input
from detector.spec import InputSpec

AIM = 3.0
SPEC = InputSpec()
LIMITS = DecodeLimits(max_bytes=64 * MIB)  # a 20 Mpx PNG is over the service's 32 MiB
SIZES = {"0.3": (640, 480), "1": (1224, 816), "5": (2448, 2048), "5 (4:3)": (2592, 1944), "20": (5472, 3648)}  # Mpx
DECIDING = ("5", "JPEG 4:2:0")
REDUCTIONS = (8, 4, 2)

Pixels = npt.NDArray[np.uint8]
Way = Callable[[bytes], Pixels]


@dataclass(frozen=True)
class Sent:
    """A kind of file that a camera sends."""

    name: str
    format: str
    is_grey: bool
    options: Mapping[str, int]


KINDS = (
    Sent("JPEG 4:2:0", "JPEG", False, {"quality": 90, "subsampling": 2}),
    Sent("JPEG 4:4:4", "JPEG", False, {"quality": 90, "subsampling": 0}),
    Sent("JPEG grey", "JPEG", True, {"quality": 90}),
    Sent("PNG", "PNG", False, {"compress_level": 6}),
    Sent("PNG grey", "PNG", True, {"compress_level": 6}),
    Sent("BMP grey", "BMP", True, {}),
)


def main() -> None:
    """Every kind at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.6, help="that each way of a picture is measured, at least")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="where the figures are written")
    options = parser.parse_args()
    rows: list[Row] = []
    stages: list[Row] = []
    for size, (width, height) in SIZES.items():
        drawn = draw(width, height)
        for kind in KINDS:
            data = saved(drawn, kind)
            rows.append(compare(size, kind, data, options.seconds))
            stages.append(take_apart(size, kind, data, options.seconds))
    note = "ms of CPU, one core, decoded and resized; difference: largest of a pixel to ours, in levels of 255."
    publish(options.out, "decode", rows, note=note)
    publish(options.out, "decode_stages", stages, note="ms of CPU, one core, ours.")
    ratio = next(row["ratio"] for row in rows if (row["Mpx"], row["picture"]) == DECIDING)
    sys.exit(float(str(ratio)) < AIM)


def draw(width: int, height: int) -> Image.Image:
    """A lit, chequered surface with the grain of a sensor, so that a JPEG of it has the bytes of a photograph."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    surface = 120 + 40 * np.sin(x / width * 9) * np.cos(y / height * 7)
    surface += 30 * (((x // (width / 20)) + (y // (height / 20))) % 2)
    tinted = np.stack((surface, surface * 0.9 + 10, surface * 0.8 + 20), axis=-1)
    grain = random.normal(0, 4, (height, width, 1)) + random.normal(0, 2, (height, width, 3))
    return Image.fromarray((tinted + grain).clip(0, 255).astype(np.uint8))


def saved(drawn: Image.Image, kind: Sent) -> bytes:
    """As a camera would send it."""
    file = io.BytesIO()
    (drawn.convert("L") if kind.is_grey else drawn).save(file, kind.format, **kind.options)
    return file.getvalue()


def compare(size: str, kind: Sent, data: bytes, seconds: float) -> Row:
    """One row: every way beside the others, in turns."""
    ways: dict[str, Way] = {"Pillow": decode_whole, "ours": decode_ours, **other_ways(kind)}
    ours = decode_ours(data).astype(int)
    differences = {name: int(np.abs(way(data).astype(int) - ours).max()) for name, way in ways.items()}
    took = clock({name: lambda way=way: way(data) for name, way in ways.items()}, seconds)
    row: dict[str, object] = {"Mpx": size, "picture": kind.name, "MB": round(len(data) / 1e6, 2)}
    row |= {"Pillow": took["Pillow"], "ours": took["ours"], "ratio": round(took["Pillow"] / took["ours"], 2)}
    row |= {"pictures/s": 1e3 / took["ours"], "difference": differences["Pillow"]}
    for name in OTHERS:
        row[name] = f"{took[name]:.1f} ({differences[name]})" if name in took else "–"
    return row


def take_apart(size: str, kind: Sent, data: bytes, seconds: float) -> Row:
    """One row: what the service does with a picture before a worker has it."""
    picture = decode(data, SPEC, LIMITS)
    took = clock(
        {
            "decode": lambda: decode(data, SPEC, LIMITS),
            "resize": lambda: resize_to_input(picture.image, SPEC),
            "health": lambda: measure(picture.image),
            "sha256": lambda: hashlib.sha256(data).hexdigest(),
        },
        seconds / 2,
    )
    height, width = picture.pixels.shape[:2]
    return {"Mpx": size, "picture": kind.name, "decoded at": f"{width}x{height}", **took}


def clock(jobs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Milliseconds of CPU of each, in turns, so that what else the machine does hits all alike."""
    took: dict[str, list[float]] = {name: [] for name in jobs}
    ends = time.perf_counter() + seconds * len(jobs)
    while len(next(iter(took.values()))) < 3 or time.perf_counter() < ends:
        for name, job in jobs.items():
            started = time.thread_time()
            job()
            took[name].append(time.thread_time() - started)
    return {name: round(1e3 * median(times), 2) for name, times in took.items()}


def decode_whole(data: bytes) -> Pixels:
    """What a script would write."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB").resize((SPEC.width, SPEC.height), Image.Resampling.BILINEAR))


def decode_ours(data: bytes) -> Pixels:
    """Training's and the service's."""
    return resize_to_input(decode(data, SPEC, LIMITS).image, SPEC)


OTHERS = ("simplejpeg", "simplejpeg whole", "cv2", "cv2 whole", "torchvision")


def other_ways(kind: Sent) -> dict[str, Way]:
    """Those that are installed and read this kind; all but torchvision resize as we do."""
    ways: dict[str, Way] = {}
    if kind.format == "JPEG" and find_spec("simplejpeg"):
        ways |= {"simplejpeg": simplejpeg_scaled, "simplejpeg whole": simplejpeg_whole}
    if find_spec("cv2"):
        ways |= {"cv2 whole": lambda data: cv2_reduced(data, 1)}
        if kind.format == "JPEG":
            ways |= {"cv2": lambda data: cv2_reduced(data, reduction(data))}
    if kind.format != "BMP" and find_spec("torchvision"):
        ways |= {"torchvision": torchvision_whole}
    return ways


def reduction(data: bytes) -> int:
    """The one that our margin allows."""
    with Image.open(io.BytesIO(data)) as image:
        least = min(image.width / SPEC.width, image.height / SPEC.height) / SPEC.jpeg_scale_margin
    return next((factor for factor in REDUCTIONS if factor <= least), 1)


def simplejpeg_scaled(data: bytes) -> Pixels:
    """The TurboJPEG interface; at any eighth."""
    import simplejpeg  # noqa: PLC0415 -- a peer

    least = {"min_width": SPEC.width * SPEC.jpeg_scale_margin, "min_height": SPEC.height * SPEC.jpeg_scale_margin}
    return resized(simplejpeg.decode_jpeg(data, fastdct=False, fastupsample=False, **least))


def simplejpeg_whole(data: bytes) -> Pixels:
    """The same at full size."""
    import simplejpeg  # noqa: PLC0415 -- a peer

    return resized(simplejpeg.decode_jpeg(data, fastdct=False, fastupsample=False))


def cv2_reduced(data: bytes, factor: int) -> Pixels:
    """OpenCV, one thread."""
    import cv2  # noqa: PLC0415 -- a peer

    cv2.setNumThreads(1)
    whole = {1: cv2.IMREAD_COLOR_RGB, 2: cv2.IMREAD_REDUCED_COLOR_2}
    flags = whole | {4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags[factor])
    return resized(pixels if factor == 1 else pixels[..., ::-1])


def torchvision_whole(data: bytes) -> Pixels:
    """torchvision's decoder and torch's antialiased uint8 resize, one thread."""
    import torch  # noqa: PLC0415 -- a peer
    from torchvision.io import ImageReadMode, decode_image  # noqa: PLC0415

    torch.set_num_threads(1)
    pixels = decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)[None]
    resized = torch.nn.functional.interpolate(pixels, (SPEC.height, SPEC.width), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()


def resized(pixels: Pixels) -> Pixels:
    """(h,w,3) → as ours."""
    return resize_to_input(Image.fromarray(pixels), SPEC)


if __name__ == "__main__":
    main()
