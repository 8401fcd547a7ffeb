"""A memory says what the detector says, and its networks see each picture once."""

import pytest
import torch
from torch import Tensor

from detector.build import build_detector
from detector.pipeline import Detector
from detector.spec import DetectorSpec, EvidenceSpec, FeatureSpec, InputSpec, SaliencyKind, SaliencySpec, UNetSpec
from training.memory import Memory

SIZE = 32
EVIDENCE = EvidenceSpec(maps=("msgms", "l1", "encoder"), encoder=FeatureSpec(levels=(0, 1), stride=8, dimensions=4))
PICTURES = torch.rand(6, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def make_detector(saliency: SaliencyKind = "spectral") -> Detector:
    torch.manual_seed(0)
    return build_detector(
        DetectorSpec(
            input=InputSpec(height=SIZE, width=SIZE),
            saliency=SaliencySpec(kind=saliency),
            unet=UNetSpec(widths=(4, 8)),
            fader=None,
            evidence=EVIDENCE,
        )
    ).eval()


def count(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures its network has seen each time."""
    seen: list[int] = []
    look = detector.unet.encode

    def encode(pictures: Tensor) -> list[Tensor]:
        seen.append(len(pictures))
        return look(pictures)

    monkeypatch.setattr(detector.unet, "encode", encode)
    return seen


@pytest.mark.parametrize("saliency", ["spectral", "disjoint"])
def test_it_says_what_the_detector_says_whatever_came_before(saliency: SaliencyKind) -> None:
    detector = make_detector(saliency)
    memory = Memory(detector)
    for batch in (PICTURES[:4], PICTURES[1:], PICTURES):
        torch.testing.assert_close(memory.raw_evidence(batch), detector.raw_evidence(batch))
        torch.testing.assert_close(memory.feature_grid(batch, "encoder"), detector.feature_grid(batch, "encoder"))


def test_each_picture_is_seen_once_and_other_statistics_are_those_of_the_new_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = make_detector()
    memory, seen = Memory(detector), count(detector, monkeypatch)
    memory.feature_grid(PICTURES[::2], "encoder")
    before = memory.feature_grid(PICTURES, "encoder")
    assert seen == [3, 3]
    field = detector.evidence.fields["encoder"]
    seen.clear()
    first = memory.raw_evidence(PICTURES)
    assert seen == [6]  # to rebuild them
    field.mean += 1  # type: ignore[operator]
    again = memory.raw_evidence(PICTURES)
    assert seen == [6]
    assert torch.equal(memory.feature_grid(PICTURES, "encoder"), before)
    assert torch.equal(first[:, :2], again[:, :2])
    assert not torch.equal(first[:, 2], again[:, 2])


def test_what_there_is_no_room_for_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make_detector()
    one = detector.feature_grid(PICTURES[:1], "encoder")
    memory, seen = Memory(detector, room=2 * one.numel() * one.element_size()), count(detector, monkeypatch)
    expected = memory.feature_grid(PICTURES, "encoder")
    torch.testing.assert_close(memory.feature_grid(PICTURES, "encoder"), expected)
    assert seen == [6, 4]
