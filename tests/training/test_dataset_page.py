"""The page about a product's pictures: what is odd is on it, and it opens offline."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from training.cli import main
from training.config import load_config
from training.data import load_pictures, read_good
from training.near_copies import find_near_copies
from training.sample import SampleConfig, draw_part, draw_product
from training.suspects import see_plain, suspect

CONFIG = load_config("cpu", {"product": "plate", "data": "."}, ["input.height=64", "input.width=64"])
ODD = "unlike.png"


Lint = Callable[[Path], tuple[int, str, str]]


def scratched(seed: int) -> npt.NDArray[np.uint8]:
    """A good part with two white scratches."""
    pixels = draw_part(np.random.default_rng(seed), None, 64)[0]
    pixels[20:44, 30:32] = pixels[40:42, 10:50] = 255
    return pixels


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 good pictures; among them one that has a defect, a copy, the same saved again as JPEG, one far too bright."""
    root = tmp_path_factory.mktemp("lint") / "<b>plate"
    draw_product(root, SampleConfig(train=30, test_good=3, per_kind=1, size=64))
    good = root / "train/good"
    Image.fromarray(scratched(5)).save(good / ODD)
    shutil.copy(good / "001.png", good / "copy.png")
    Image.open(root / "test/good/000.png").convert("RGB").save(good / "again.jpg", quality=80)
    Image.fromarray(np.full((64, 64, 3), 250, np.uint8)).save(good / "white.png")
    return root


@pytest.fixture
def lint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    """Exit code, what was said, and the page."""

    def call(data: Path) -> tuple[int, str, str]:
        out, config = tmp_path / "pages/dataset.html", tmp_path / "small.toml"
        config.write_text("promise = 0.2\n[input]\nheight = 64\nwidth = 64\n")
        with pytest.raises(SystemExit) as ended:
            main(["lint", f"--data={data}", f"--store={tmp_path}", f"--out={out}", f"--config={config}"])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err, out.read_text("utf-8")

    return call


def test_everything_odd_is_on_the_page_with_its_picture(root: Path, lint: Lint) -> None:
    code, said, page = lint(root)
    assert (code, page.count("<b>")) == (0, 0)  # the folder's name is escaped
    assert "2 groups of copies, 1 exposures unlike the others" in said
    suspects, copies, exposure = (page.partition(f"<h2>{name}")[2] for name in ("Suspected", "Copies", "Exposure"))
    assert ODD in suspects.partition("<h2>Copies")[0]
    assert "on both sides: training and test" in copies
    assert "the same file, 2 times" in copies
    assert "white.png" in exposure
    assert not re.search(r"https?:(?!//www\.w3\.org)|<(script|link)\b", page)
    assert all(target.startswith("data:image/") for target in re.findall(r'src="([^"]*)"', page))


def test_errors_are_on_the_page_too_and_end_the_command_with_two(root: Path, tmp_path: Path, lint: Lint) -> None:
    shutil.copytree(root, tmp_path / "broken")
    (tmp_path / "broken/train/good/002.png").write_bytes(b"no picture")
    code, said, page = lint(tmp_path / "broken")
    assert code == 2
    assert "002.png: UnsupportedFormat" in said
    assert "002.png: UnsupportedFormat" in page


def test_a_picture_that_was_saved_again_or_dimmed_is_a_near_copy_and_another_part_is_none(root: Path) -> None:
    samples = [s for s in read_good(root, hold_out=0.2, calibrate=0.2).train if s.path.stem.isdigit()]
    pictures = load_pictures(samples, CONFIG.input)
    dim = np.asarray(pictures[3] * 0.8, np.uint8)
    (found,) = find_near_copies(np.concatenate((pictures, dim[None])))
    assert found.places == (3, len(pictures))
    assert found.correlation > 0.9


def test_a_picture_is_never_measured_by_its_own_copies(root: Path) -> None:
    good = load_pictures(read_good(root, hold_out=0.2, calibrate=0.2).train, CONFIG.input)
    pictures = np.concatenate((good, np.stack([scratched(5)] * 6)))
    see, features = see_plain(CONFIG.input, CONFIG.evidence.backbone), CONFIG.evidence.backbone
    apart = suspect(pictures, range(len(pictures)), see, features)
    together = suspect(pictures, [*range(len(good)), *[len(good)] * 6], see, features)
    assert together[-1].score > 1.2 * apart[-1].score
