"""Every preset is a configuration, and the small ones change only what they name."""

from pathlib import Path
from typing import Any

import pytest

from training.config import PRESETS, TrainConfig, load_config
from training.errors import ConfigInvalid

NAMES = sorted(file.stem for file in PRESETS.glob("*.toml"))


def load(preset: str) -> TrainConfig:
    return load_config(preset, {"product": "part", "data": "x"}, [])


def differences(first: dict[str, Any], second: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in second.items():
        if isinstance(value, dict):
            found |= differences(first[key], value, f"{prefix}{key}.")
        elif first[key] != value:
            found[prefix + key] = value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid(name: str) -> None:
    assert load(name).product == "part"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"cpu", "demo", "tiles"}))
def test_a_published_method_takes_parts_as_they_lie_and_decides_nothing(name: str) -> None:
    assert (load(name).align.use, load(name).statistics) == ("off", "as-told")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ear-fader", {"fader.enabled": True}),
        ("ear-no-obfuscation", {"saliency.hide_as": "removed"}),
        ("ear-no-attention", {"saliency.kind": "whole"}),
        ("ear-skip-off", {"unet.skip_off": [0, 1]}),
        ("unet", {"saliency.kind": "none"}),
    ],
)
def test_an_ablation_differs_from_ear_by_one_value(name: str, changes: dict[str, Any]) -> None:
    assert differences(load("ear").model_dump(mode="json"), load(name).model_dump(mode="json")) == changes


def test_a_file_of_ones_own_may_extend_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('extends = "ear-skip-off"\n[unet]\nkernel = 5\n')
    unet = load(str(file)).unet
    assert (unet.kernel, unet.skip_off, unet.widths[0]) == (5, (0, 1), 64)


def test_presets_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'extends = "{file}"\n')
    with pytest.raises(ConfigInvalid, match="leads back"):
        load(str(file))
