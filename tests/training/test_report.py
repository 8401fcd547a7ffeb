"""One file that says what a run came to."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from training.cli import main
from training.evaluate import ScoredPart
from training.gallery import choose_cases
from training.sample import SampleConfig, draw_product

TINY = ["input.height=32", "input.width=32", "unet.widths=[4,8]", "fit.epochs=2", "fader.epochs=1", "promise=0.2"]
TINY += ["align.turn=0"]  # tests/training/test_fit_turn.py looks for turns
SECTIONS = ("Figures", "Kinds of defect", "Dataset warnings", "Scores", "Loss curves", "Worst and typical cases")


def fit(folder: Path, data: Path) -> Path:
    options = [f"--data={data}", f"--store={folder / 'store'}", f"--runs={folder / 'runs'}"]
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--product=plate", *options, *(f"--set={line}" for line in TINY)])
    assert ended.value.code == 0
    return folder / "runs/plate"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted run whose folder and one of whose kinds of defect look like HTML."""
    folder = tmp_path_factory.mktemp("report")
    data = folder / "<script>data"
    draw_product(data, SampleConfig(train=40, test_good=6, per_kind=3, size=64))
    for place in ("test", "ground_truth"):
        (data / place / "stain").rename(data / place / "<b>stain & rust")
    return fit(folder, data)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text("utf-8")


@pytest.fixture
def report(run: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str]]:
    """`python -m training report`, as its exit code and what it wrote."""

    def call() -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["report", "--product=plate", f"--runs={run.parent}"])
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out + written.err

    return call


def score_of(run: Path, *, label: str) -> dict[str, float]:
    parts = json.loads((run / "scores.json").read_text())["parts"]
    return {part["path"]: part["score"] for part in parts if (part["role"], part["label"]) == ("test", label)}


def test_every_section_is_there_and_the_model_is_named(page: str) -> None:
    assert [name for name in SECTIONS if f"<h2>{name}</h2>" not in page] == []
    for text in (
        "Training report: plate",
        "none: weight-free spectral saliency",
        "24 train, 8 hold out, 8 calibrate, 21 test",
        "Image AUROC",
        "AUPRO",
        "promised 20.0%",
        "fit.epochs = 2",
    ):
        assert text in page


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"https?:|<(script|link|iframe|object|base)\b|@import|url\((?!#)", without_namespaces)
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert [target for target in targets if not target.startswith(("data:image/", "#"))] == []


def test_every_picture_has_a_text_and_the_file_stays_small(page: str) -> None:
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) > 50
    assert all(re.search(r'alt="[^"]{10,}"', picture) for picture in pictures)
    assert len(page) < 8_000_000


def test_names_of_folders_are_escaped(page: str) -> None:
    assert "&lt;script&gt;data" in page
    assert "&lt;b&gt;stain &amp; rust" in page
    assert "<b>" not in page


def test_both_thresholds_are_drawn_and_labelled(run: Path, page: str) -> None:
    calibration = json.loads((run / "calibration.json").read_text())
    for text in (f"ng above {calibration['ng_above']:.4g}", f"review above {calibration['review_above']:.4g}"):
        assert re.search(f"<text [^>]*>{re.escape(text)}</text>", page)


def test_the_worst_good_case_is_the_highest_scoring_good_part(run: Path, page: str) -> None:
    scores = score_of(run, label="good")
    worst = max(scores, key=lambda path: scores[path])
    case, _, _ = page[page.index("good, highest score") :].partition("</article>")
    assert Path(worst).name in case
    assert f"score {scores[worst]:.4g}" in case


def test_cases_of_a_kind_are_its_lowest_and_its_median_and_missed_kinds_come_first() -> None:
    scores = {"good": (1, 2, 3, 4, 5, 6), "dent": (8, 9, 7), "chip": (0.5,)}
    parts = [
        ScoredPart(f"{kind}{score}", kind, float(score), "ok", "test") for kind in scores for score in scores[kind]
    ]
    chosen = [case.part.path for case in choose_cases(parts)]
    assert chosen == ["good6", "good5", "good4", "good3", "chip0.5", "dent7", "dent8"]


def test_a_plain_folder_gets_a_report_of_its_calibration_pictures(run: Path, tmp_path: Path) -> None:
    page = (fit(tmp_path, run.parents[1] / "<script>data/train/good") / "report.html").read_text("utf-8")
    assert "There are no test pictures" in page
    assert "Histogram of the scores of 8 good and 0 defective" in page
    assert "ROC curve" not in page
    assert "good, highest score" in page


def test_the_command_writes_it_again_and_says_where(run: Path, report: Callable[[], tuple[int, str]]) -> None:
    (run / "report.html").unlink()
    assert report() == (0, f"report: {run / 'report.html'}\n")
    assert (run / "report.html").exists()


def test_scores_judged_by_other_thresholds_are_refused(run: Path, report: Callable[[], tuple[int, str]]) -> None:
    before = (run / "calibration.json").read_text()
    (run / "calibration.json").write_text(json.dumps(json.loads(before) | {"ng_above": 1e6, "review_above": 1e6}))
    code, said = report()
    (run / "calibration.json").write_text(before)
    assert code == 2
    assert "training evaluate" in said


def test_changed_pictures_are_refused(run: Path, report: Callable[[], tuple[int, str]]) -> None:
    extra = run.parents[1] / "<script>data/train/good/extra.png"
    extra.write_bytes(b"another")
    code, said = report()
    extra.unlink()
    assert code == 2
    assert "have changed since the fit" in said
