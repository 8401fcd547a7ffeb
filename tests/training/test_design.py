"""What `auto` comes to."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from model_store.backbones import BackboneStore
from training.config import load_config
from training.design import choose_spec

BACKBONE = "mobilenetv2_050"


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(4, 64, 64, 3), dtype=np.uint8)


def maps_of(store: BackboneStore, pictures: np.ndarray, *more: str) -> tuple[str, ...]:
    places = {"product": "plate", "data": "data"}
    config = load_config("cpu", places, ["input.height=64", "input.width=64", "mosaic_scale=4", *more])
    return choose_spec(config, store, pictures)[0].evidence.maps


def test_without_a_backbone_filters_stand_in_for_features_of_networks(tmp_path: Path, pictures: np.ndarray) -> None:
    assert maps_of(BackboneStore(tmp_path), pictures) == ("msgms", "l1", "filters")


def test_with_a_backbone_there_are_no_filters_unless_they_are_asked_for(tmp_path: Path, pictures: np.ndarray) -> None:
    store, file = BackboneStore(tmp_path / "store"), tmp_path / "weights.pth"
    torch.save(timm.create_model(BACKBONE, pretrained=False, num_classes=0).state_dict(), file)
    store.import_file(file, name=BACKBONE)
    assert maps_of(store, pictures) == ("msgms", "l1", "encoder", "backbone")
    asked = maps_of(store, pictures, 'evidence.maps=["filters"]')
    assert asked == ("filters", "encoder", "backbone")


def test_as_told_adds_nothing(tmp_path: Path, pictures: np.ndarray) -> None:
    assert maps_of(BackboneStore(tmp_path), pictures, "features=as-told") == ("msgms", "l1")
