"""docs/mes.md, block by block, as an integrator would paste it: against a service that runs."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest

from model_store.registry import Registry
from tests.attacks.pictures import encoded, part
from tests.e2e.kills import ROOT, Line
from tests.model_store.drafts import make_draft

PAGE = (ROOT / "docs/mes.md").read_text()
PNG = {"Content-Type": "image/png"}
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("mes")
    Registry(folder / "store").publish(make_draft(), activate=True)
    line = Line(folder, None)
    line.start()
    yield line
    line.kill()


@pytest.fixture(scope="module")
def folder(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's commands run, after two parts were inspected."""
    folder = tmp_path_factory.mktemp("integrator")
    (folder / "part.png").write_bytes(encoded(part(), "png"))
    for _ in range(2):
        shell(folder, "Idempotency-Key", SERVICE=line.address)
    return folder


def block(word: str) -> str:
    """The one block of the page in which `word` stands."""
    (found,) = [text for _, text in BLOCKS if word in text]
    return str(found)


def shell(folder: Path, word: str, *, after: str = "", **environment: str) -> str:
    script = f"set -eu\n{block(word)}\n{after}"
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_part_that_is_posted_twice_is_one_verdict(line: Line, folder: Path) -> None:
    first, second = (json.loads(shell(folder, "Idempotency-Key", SERVICE=line.address)) for _ in range(2))
    assert first["id"] == second["id"]
    assert httpx.get(f"{line.address}/verdicts").json()["verdicts"][0]["job"] == "LOT-7"


def test_the_client_in_curl_goes_on_where_it_was(line: Line, folder: Path) -> None:
    cursors = ["latest"]
    for _ in range(2):
        out = shell(folder, "x-cursor", after='echo "$CURSOR"', SERVICE=line.address, CURSOR=cursors[-1])
        cursors.append(out.strip())
        httpx.post(f"{line.address}/inspect?product=plate", content=encoded(part(), "png"), headers=PNG)
    lines = (folder / "verdicts.ndjson").read_text().splitlines()
    assert [json.loads(each)["product"] for each in lines] == ["plate"]
    assert cursors[1] != cursors[2]


def test_the_client_in_python_is_short_and_prints_each_verdict_once_over_two_lives(line: Line, folder: Path) -> None:
    program = folder / "follow.py"
    program.write_text(block("Follow every verdict"))
    assert len(program.read_text().splitlines()) <= 30
    known = len(httpx.get(f"{line.address}/verdicts").json()["verdicts"])
    seen = follow(program, line.address, known)
    httpx.post(f"{line.address}/inspect?product=plate", content=encoded(part(), "png"), headers=PNG)
    seen += follow(program, line.address, 1)
    assert [int(each.split()[0]) for each in seen] == list(range(1, known + 2))


def follow(program: Path, address: str, lines: int) -> list[str]:
    """What the client prints, until so many lines have come and their cursor is kept."""
    place = program.with_suffix(".cursor")
    before = place.stat().st_mtime_ns if place.exists() else 0
    command = [sys.executable, str(program), address, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        alarm = Timer(30, client.kill)  # or a line that never comes is waited for without an end
        alarm.start()
        found = [client.stdout.readline() for _ in range(lines)] if client.stdout else []
        while client.poll() is None and (not place.exists() or place.stat().st_mtime_ns == before):
            time.sleep(0.01)
        client.kill()
        alarm.cancel()
    return found


def test_a_listener_gets_what_it_missed_and_only_of_its_station(line: Line, folder: Path) -> None:
    first = httpx.get(f"{line.address}/verdicts?limit=1").json()
    httpx.post(f"{line.address}/inspect?product=plate&station=EL-1", content=encoded(part(), "png"), headers=PNG)
    shell(folder, "verdicts/stream", SERVICE=line.address, CURSOR=first["cursor"], SECONDS_TO_LISTEN="0.5")
    events = re.findall(r"event: verdict\ndata: (.*)\nid: (.*)\n\n", (folder / "events.txt").read_text())
    ((data, cursor),) = events
    verdict: dict[str, Any] = json.loads(data)
    assert verdict["station"] == "EL-1"
    following = httpx.get(f"{line.address}/verdicts", params={"after": cursor}).json()
    assert verdict["seq"] not in [each["seq"] for each in following["verdicts"]]


def test_what_a_person_found_is_recorded(line: Line, folder: Path) -> None:
    verdict_id = httpx.get(f"{line.address}/verdicts?limit=1").json()["verdicts"][0]["id"]
    assert json.loads(shell(folder, "/disposition", SERVICE=line.address, ID=verdict_id))["found"] == "good"


def test_those_who_wait_for_a_verdict_do_not_hold_up_a_stop(line: Line) -> None:
    polls = [("/verdicts", {"after": "latest", "wait": 60}), ("/verdicts/stream", {})]
    with ThreadPoolExecutor(2) as waiting:
        answers = [waiting.submit(httpx.get, line.address + path, params=query, timeout=70) for path, query in polls]
        time.sleep(0.3)
        assert line.stop() < 5
        assert answers[0].result().json()["verdicts"] == []
        assert answers[1].result().status_code == 200
