"""Log lines, for people and for machines: one line an event, and the request's ids in each."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from app.logs import LogFormat, configure
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

ROOT = Path(__file__).parents[2]
SAY = """
import logging
from structlog.contextvars import bound_contextvars
from app.logs import configure
configure("info", {format!r})
with bound_contextvars(request_id="r-1", part_id="C\\n42", station=None):
    logging.getLogger("app.x").info("%s", "ok", extra={{"verdict_id": "v-7"}})
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("app.x").exception("it failed")
"""


def said(log_format: LogFormat) -> list[str]:
    """Lines on standard error of a process that logs one verdict and one exception."""
    command = [sys.executable, "-c", SAY.format(format=log_format)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stderr.splitlines()


def test_json_is_one_object_a_line_with_what_is_known_of_the_request() -> None:
    verdict, failure = map(json.loads, said("json"))
    assert list(verdict)[:4] == ["timestamp", "level", "logger", "event"]
    assert (verdict["event"], verdict["level"], verdict["logger"]) == ("ok", "info", "app.x")
    assert (verdict["request_id"], verdict["part_id"], verdict["verdict_id"]) == ("r-1", "C\n42", "v-7")
    assert verdict["timestamp"].endswith("Z")
    assert failure["exception"].splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_console_is_one_line_whatever_the_sender_wrote() -> None:
    first, *rest = said("console")
    assert " INFO app.x: ok " in first
    assert all(known in first for known in ("request_id='r-1'", r"part_id='C\n42'", "verdict_id='v-7'"))
    assert "station" not in first
    assert rest[0].endswith("ERROR app.x: it failed")
    assert rest[1].startswith("Traceback")


@pytest.mark.usefixtures("root_logger")
def test_a_verdict_is_logged_with_the_ids_of_its_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    sent = {"Content-Type": "image/png", "X-Request-Id": "cam-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    with serving(tmp_path, load_fake) as client:
        configure("info", "json")
        query = {"product": "plate", "part_id": "C-42", "heatmap": "none"}
        answer = client.post("/inspect", params=query, content=encoded(part(), "png"), headers=sent).json()
        client.get("/livez")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["logger"] == "app.inspection"]
    assert (line["verdict_id"], line["event"]) == (answer["id"], answer["verdict"])
    assert (line["request_id"], line["trace_id"], line["part_id"]) == ("cam-1", "a" * 32, "C-42")


@pytest.mark.usefixtures("root_logger")
def test_a_log_level_holds_and_configuring_again_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", "console")
    configure("warning", "console")
    logging.getLogger("app.y").info("quiet")
    logging.getLogger("app.y").warning("loud")
    assert capsys.readouterr().err.count("\n") == 1
