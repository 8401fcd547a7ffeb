"""Who watches a run: bars with the time left, TensorBoard's curves."""

import io
import struct
from pathlib import Path

from rich.console import Console
from tensorboardX.proto.event_pb2 import Event

from training.fit import EpochRecord
from training.fit_fader import FaderEpoch
from training.listener import Together, figures_of
from training.progress import Bars
from training.tensorboard import TensorBoard

FIRST = EpochRecord(0, loss=0.5, l2=0.1, ssim=0.2, msgms=0.3, learning_rate=1e-3, seconds=9.0, planned=4)
SECOND = EpochRecord(1, loss=0.25, l2=0.1, ssim=0.2, msgms=0.3, learning_rate=1e-3, seconds=9.0, planned=8)


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """(tag, step) → value, of the only event file: length, its checksum, an event, its checksum, and again."""
    (file,) = folder.iterdir()
    data, found = file.read_bytes(), {}
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        event, data = Event.FromString(data[12 : 12 + size]), data[16 + size :]
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


def test_figures_are_what_an_epoch_reached_and_not_where_it_stands() -> None:
    assert figures_of(FIRST) == {"loss": 0.5, "l2": 0.1, "ssim": 0.2, "msgms": 0.3, "learning_rate": 1e-3}


def test_tensorboard_gets_a_point_for_every_figure_of_every_epoch(tmp_path: Path) -> None:
    with TensorBoard(tmp_path) as listener:
        listener.stage("reconstruction network", 4)
        listener.epoch(FIRST)
        listener.epoch(SECOND)
    found = scalars(tmp_path)
    assert found["reconstruction_network/loss", 1] == 0.5
    assert found["reconstruction_network/loss", 2] == 0.25
    assert len(found) == 2 * 5


def test_the_bar_follows_the_plan_and_shows_the_losses() -> None:
    said = io.StringIO()
    with Bars(Console(file=said, width=200, force_terminal=True)) as bars:
        bars.stage("reconstruction network", 4)
        bars.epoch(FIRST)
        bars.epoch(SECOND)
    assert "2/8" in said.getvalue()
    assert "loss 0.25 l2 0.1 ssim 0.2 msgms 0.3 learning rate 0.001" in said.getvalue()


def test_several_listeners_are_all_told(tmp_path: Path) -> None:
    with TensorBoard(tmp_path / "a") as first, TensorBoard(tmp_path / "b") as second:
        together = Together([first, second])
        together.stage("attenuator", 1)
        together.step(0, "words are not drawn")
        together.epoch(FaderEpoch(0, loss=0.5, rank_correlation=0.25, seconds=1.0))
    assert (
        scalars(tmp_path / "a")
        == scalars(tmp_path / "b")
        == {
            ("attenuator/loss", 1): 0.5,
            ("attenuator/rank_correlation", 1): 0.25,
        }
    )
