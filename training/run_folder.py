"""The folder of one run: what each stage leaves for the next.

In: JSON objects and tensors by name. Out: the same. Every file is written to a sibling and renamed.
Refuses: a folder of another configuration or of other pictures (`RunOfOtherConfig`), a stage whose input is not there
(`StageMissing`), a damaged file (`RunUnreadable`).
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.config import TrainConfig, parse_config
from training.errors import RunOfOtherConfig, RunUnreadable, StageMissing

CONFIG = "config.json"
IDENTITY = "identity.json"
DETECTOR = "detector.safetensors"
SEARCH = "search"  # a folder inside


class RunFolder:
    """`<runs>/<product>`. Holds nothing in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, config: TrainConfig, data_digest: str, *, fresh: bool) -> None:
        """Make the folder this configuration's; an interrupted fit of the same one is kept and goes on."""
        identity = {"config": config.weights_depend_on(), "data_digest": data_digest}
        if fresh and (self.root / IDENTITY).exists():  # nothing else is ours to delete
            self._forget()
        if (self.root / IDENTITY).exists():
            before = self.read(IDENTITY, stage="fit")
            if differing := _differing(before, identity):
                raise RunOfOtherConfig(
                    f"{self.root} holds a fit with other {', '.join(differing)}; start over with --fresh, or "
                    "choose another --runs"
                )
        self.write(IDENTITY, identity)
        self.write(CONFIG, config.model_dump(mode="json"))

    def check_pictures(self, data: Path, data_digest: str) -> None:
        """Raise `RunOfOtherConfig` unless the pictures in `data` are still those of the fit.

        The split goes by content: with one picture more, others change sides, and thresholds could be set on pictures
        that were trained on. The promise would then be broken in silence.
        """
        if self.read(IDENTITY, stage="fit").get("data_digest") != data_digest:
            raise RunOfOtherConfig(
                f"the pictures in {data} have changed since the fit of {self.root}: put them back as they were, or fit "
                "again with --fresh; to try a version on other pictures: python -m training compare"
            )

    def config(self) -> TrainConfig:
        """What this run was told."""
        return parse_config(self.read(CONFIG, stage="fit"), what=str(self.root / CONFIG))

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace the JSON file `name`."""
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Replace the file `name`; gives its path."""
        self.root.mkdir(parents=True, exist_ok=True)
        sibling = self.root / f"{name}.partial"
        sibling.write_text(text, "utf-8")
        return sibling.replace(self.root / name)

    def read(self, name: str, *, stage: str) -> dict[str, Any]:
        """The JSON file `name`, which `stage` writes."""
        try:
            value: dict[str, Any] = json.loads((self.root / name).read_text("utf-8"))
        except FileNotFoundError as exc:
            raise StageMissing(f"{self.root / name} is not there; run `python -m training {stage}` first") from exc
        except ValueError as exc:
            raise RunUnreadable(f"{self.root / name} is damaged ({exc}); start over with --fresh") from exc
        return value

    def _forget(self) -> None:
        """Delete all but a search, which took hours and whose winner this fit may come from."""
        for path in self.root.iterdir():
            if path.name != SEARCH:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_detector(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the weights of the finished detector."""
        sibling = self.root / f"{DETECTOR}.partial"
        save_file(dict(weights), sibling)
        sibling.replace(self.root / DETECTOR)

    def read_detector(self) -> dict[str, Tensor]:
        """The weights of the finished detector."""
        try:
            return load_file(self.root / DETECTOR)
        except FileNotFoundError as exc:
            raise StageMissing(f"{self.root} holds no finished fit; run `python -m training fit` first") from exc
        except SafetensorError as exc:
            raise RunUnreadable(f"{self.root / DETECTOR} is damaged ({exc}); start over with --fresh") from exc


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of what differs between two identities, for a person."""
    old, new = before.get("config", {}), json.loads(json.dumps(after["config"]))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return names + (["pictures"] if before.get("data_digest") != after["data_digest"] else [])
