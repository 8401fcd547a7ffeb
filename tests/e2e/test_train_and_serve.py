"""From drawn pictures through the command line to a verdict over HTTP, with the real detector in a real worker."""

import base64
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.main import create_app
from app.metric_list import METRICS
from app.settings import Settings
from tests.attacks.pictures import bomb_png
from tests.e2e.process import START_S, started
from training.cli import main
from training.inspection import inspect_file, load_version
from training.sample import SampleConfig, draw_product

TINY = ["input.height=32", "input.width=32", "unet.widths=[4,8]", "fit.epochs=2", "fader.epochs=1", "promise=0.2"]
TINY += ["align.turn=0"]  # tests/training/test_fit_turn.py looks for turns


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
    settings = Settings(
        model_store=work / "store", data=work / "ledger", devices="cpu", max_body_bytes=1 << 20, keep_pictures="all"
    )
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


def test_inspecting_without_a_service_gives_the_bits_of_its_score(work: Path, client: TestClient) -> None:
    model = load_version(work / "store", "plate")
    for path in sorted((work / "data/test").glob("*/000.png")):
        _, answer = post(client, path.read_bytes())
        part = inspect_file(model, path)
        assert part.judgement.score == answer["score"]
        assert part.judgement.verdict == answer["verdict"]
        assert [asdict(region) for region in part.regions] == answer["regions"]


def test_an_audit_runs_a_verdict_again_to_the_last_bit(work: Path, client: TestClient) -> None:
    _, answer = post(client, (work / "data/test/stain/001.png").read_bytes())
    replayed = client.get(f"/verdicts/{answer['id']}/replay").json()
    assert (replayed["same_score"], replayed["equal"], replayed["now"]["score"]) == (True, True, answer["score"])


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


def test_an_answer_is_what_openapi_says(work: Path, client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    _, answer = post(client, (work / "data/test/stain/000.png").read_bytes(), captured_at="2026-11-24T08:15:02+01:00")
    jsonschema.validate(answer, {"$ref": "#/components/schemas/Answer", **schema})
    assert answer["captured_at"] == "2026-11-24T07:15:02.000Z"
    status, refusal = post(client, b"")
    jsonschema.validate(refusal, {"$ref": "#/components/schemas/Problem", **schema})
    assert str(status) in schema["paths"]["/inspect"]["post"]["responses"]


def test_a_form_with_a_picture_too_large_is_refused(client: TestClient) -> None:
    response = client.post("/inspect", data={"product": "plate"}, files={"image": b"x" * (2 << 20)})
    assert (response.status_code, response.json()["code"]) == (413, "request.too_large")


@pytest.mark.parametrize("style", ["png", "overlay", "raw", "none"])
def test_every_heatmap_style_is_inline_what_it_is_by_reference(work: Path, client: TestClient, style: str) -> None:
    _, answer = post(client, (work / "data/test/stain/000.png").read_bytes(), heatmap=style)
    kept = client.get(f"/verdicts/{answer['id']}/heatmap")
    if style == "none":
        assert answer["heatmap"] is None
        assert kept.status_code == 404
    else:
        heatmap: Any = answer["heatmap"]
        assert base64.b64decode(heatmap["data"]) == kept.content
        assert kept.headers["content-type"] == heatmap["media_type"]


def test_a_new_version_takes_effect_without_a_restart(work: Path, client: TestClient) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--product=plate", f"--runs={work / 'runs'}"])
    picture = (work / "data/test/good/000.png").read_bytes()
    deadline, version = time.monotonic() + START_S, 1
    while version != 2 and time.monotonic() < deadline:
        _, answer = post(client, picture)
        version = cast("dict[str, int]", answer["model"])["version"]
        time.sleep(0.1)
    assert version == 2
    assert client.get("/products/plate").json()["version"] == 2


def test_the_service_has_the_metrics_of_the_list_and_knows_the_health_that_export_measured(
    work: Path, client: TestClient
) -> None:
    post(client, (work / "data/test/good/000.png").read_bytes())
    post(client, b"")
    hasty = {"Content-Type": "image/png", "X-Deadline-Ms": "1"}
    late = client.post("/inspect?product=plate", content=(work / "data/test/good/000.png").read_bytes(), headers=hasty)
    assert (late.status_code, late.json()["code"]) == (504, "inspection.deadline_missed")
    families = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert {metric.name for metric in METRICS if metric.only != "NVIDIA"} <= families
    reports = client.get("/products/plate/drift").json()
    assert all(0 < report["pictures"]["calibrated"]["mean"] < 1 for report in reports)
    assert "" in {report["station"] for report in reports}


def test_a_stopping_service_answers_what_it_holds_and_ends_with_0(work: Path, tmp_path: Path) -> None:
    picture = (work / "data/test/good/000.png").read_bytes()
    headers = {"Content-Type": "image/png"}
    with started(work / "store", tmp_path) as (service, address):
        maps = Path(f"/proc/{service.pid}/maps").read_text()
        with ThreadPoolExecutor(8) as posts, httpx.Client(base_url=address, timeout=60) as client:
            ask = [
                posts.submit(client.post, "/inspect?product=plate", content=picture, headers=headers) for _ in range(8)
            ]
            ask[0].result()
            service.send_signal(signal.SIGTERM)
            answers = [future.result() for future in ask]
        assert {answer.status_code for answer in answers} == {200}
        assert "libtorch" not in maps
        assert service.wait(30) == 0
