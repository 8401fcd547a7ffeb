"""From drawn pictures through the command line to a verdict over HTTP, with the real detector in a real worker."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.attacks.pictures import bomb_png
from training.cli import main
from training.sample import SampleConfig, draw_product

TINY = ["input.height=32", "input.width=32", "unet.widths=[4,8]", "fit.epochs=2", "fader.epochs=1", "promise=0.2"]
START_S = 60


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    draw_product(folder / "data", SampleConfig(train=40, test_good=4, per_kind=2, size=64))
    options = [f"--{name}={folder / name}" for name in ("data", "store", "runs")]
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--product=plate", *options, *(f"--set={line}" for line in TINY)])
    assert ended.value.code == 0
    return folder


@pytest.fixture(scope="module")
def client(work: Path) -> Iterator[TestClient]:
    settings = Settings(model_store=work / "store", data=work / "ledger", devices="cpu", max_body_bytes=1 << 20)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        deadline = time.monotonic() + START_S
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield client


def post(client: TestClient, data: bytes, kind: str = "image/png", **query: str) -> tuple[int, dict[str, object]]:
    query = {"product": "plate", **query}
    response = client.post("/inspect", params=query, content=data, headers={"Content-Type": kind})
    return response.status_code, response.json()


def test_the_service_gives_the_score_that_training_measured(work: Path, client: TestClient) -> None:
    parts = json.loads((work / "runs/plate/scores.json").read_text())["parts"]
    for part in [part for part in parts if part["role"] == "test"]:
        status, answer = post(client, Path(part["path"]).read_bytes())
        assert status == 200
        assert answer["score"] == pytest.approx(part["score"], abs=1e-5)
        assert answer["verdict"] == part["verdict"]


def test_a_verdict_can_be_asked_for_again_with_its_heatmap(work: Path, client: TestClient) -> None:
    _, answer = post(client, (work / "data/test/stain/000.png").read_bytes(), part_id="P-1", station="S-2")
    again = client.get(f"/verdicts/{answer['id']}").json()
    assert (again["part_id"], again["station"], again["score"]) == ("P-1", "S-2", answer["score"])
    assert client.get(f"/verdicts/{answer['id']}/heatmap").content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("data", "kind", "query", "status", "code"),
    [
        (b"", "image/png", {}, 422, "picture.empty"),
        (b"GIF89a", "image/png", {}, 415, "picture.unsupported_format"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", {}, 422, None),
        (bomb_png(), "image/png", {}, 413, "picture.too_large"),
        (b"x" * (2 << 20), "image/png", {}, 413, "request.too_large"),
        (b"x", "text/plain", {}, 415, "request.unsupported_media_type"),
        (b"x", "image/png", {"product": "other"}, 404, "product.unknown"),
        (b"x", "image/png", {"product": "../etc"}, 422, "product.bad_name"),
        (b"x", "image/png", {"heatmap": "blue"}, 422, "request.invalid"),
    ],
)
def test_bad_input_gets_its_code_and_the_service_stays_up(
    client: TestClient, data: bytes, kind: str, query: dict[str, str], status: int, code: str | None
) -> None:
    got, answer = post(client, data, kind, **query)
    assert got == status
    assert code is None or answer["code"] == code
    assert client.get("/readyz").status_code == 200


def test_every_metric_of_the_dashboard_is_there(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert "inspect_workers_up 1.0" in text
    assert 'inspect_golden_delta{product="plate"}' in text
