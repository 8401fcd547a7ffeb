"""Prints pyproject.toml's run-time dependencies, one a line, so that the Dockerfile need not repeat their bounds.

In: `torch` (torch and torchvision, which come from an index of their own) or `rest`, which also has the driver of
PostgreSQL, the client of S3 and ONNX Runtime. Any other argument is refused.
"""

import re
import sys
import tomllib
from pathlib import Path

FROM_TORCH_INDEX = frozenset({"torch", "torchvision"})


def requirements(part: str, project: Path = Path("pyproject.toml")) -> list[str]:
    """The requirement strings of `part`, in the order of the file; raises ValueError for an unknown part."""
    if part not in {"torch", "rest"}:
        raise ValueError(f"part is 'torch' or 'rest', not {part!r}")
    tables = tomllib.loads(project.read_text())["project"]
    extras = tables["optional-dependencies"]
    declared: list[str] = tables["dependencies"] + extras["postgres"] + extras["s3"] + extras["onnx"]
    return [line for line in declared if (_name(line) in FROM_TORCH_INDEX) == (part == "torch")]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in requirements(*sys.argv[1:])))
