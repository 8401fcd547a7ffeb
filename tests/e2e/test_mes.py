"""docs/mes.md, block by block, as an integrator would paste it: against a service that runs."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest

from app.delivery.targets import read_targets
from model_store.registry import Registry
from tests.app.delivery.receiver import SECRET
from tests.attacks.pictures import encoded, part
from tests.e2e.kills import ROOT, Line
from tests.e2e.process import free_port
from tests.model_store.drafts import make_draft

PAGE = (ROOT / "docs/mes.md").read_text()
PNG = {"Content-Type": "image/png"}
RECEIVER_PORT = free_port()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("mes")
    Registry(folder / "store").publish(make_draft(), activate=True)
    (folder / "mes.secret").write_text(SECRET)
    url = f'url = "http://127.0.0.1:{RECEIVER_PORT}/"'
    quick = 'begin = "oldest"\nlongest_pause_s = 0.1'
    (folder / "targets.toml").write_text(f'[webhook.mes]\n{url}\nsecret_file = "mes.secret"\n{quick}\n')
    line = Line(folder, None)
    line._environment |= {"INSPECT_TARGETS_FILE": str(folder / "targets.toml")}
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


def test_the_receiver_takes_every_verdict_once_and_a_replay_goes_where_it_is_told(line: Line, folder: Path) -> None:
    program = folder / "receive.py"
    program.write_text(block("Receive verdicts"))
    known = httpx.get(f"{line.address}/verdicts").json()["verdicts"]
    command = [sys.executable, str(program), str(RECEIVER_PORT), SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        alarm = Timer(20, receiver.kill)
        alarm.start()
        seen = [receiver.stdout.readline().split() for _ in known]
        answer = json.loads(shell(folder, "/replay", SERVICE=line.address, CURSOR="latest"))
        receiver.kill()
        alarm.cancel()
    assert sorted(int(seq) for seq, *_ in seen) == [each["seq"] for each in known]
    assert (answer["target"], answer["kind"]) == ("mes", "webhook")


@pytest.mark.parametrize("table", ["[webhook.mes]", "[mqtt.scada]"])
def test_the_targets_of_the_page_are_targets(table: str, tmp_path: Path) -> None:
    (tmp_path / "mes.secret").write_text(SECRET)
    (tmp_path / "scada.password").write_text("any")
    (tmp_path / "targets.toml").write_text(block(table))
    (target,) = read_targets(tmp_path / "targets.toml")
    assert target.place in ("mes.example", "broker.example:8883")


def test_those_who_wait_for_a_verdict_do_not_hold_up_a_stop(line: Line) -> None:
    polls = [("/verdicts", {"after": "latest", "wait": 60}), ("/verdicts/stream", {})]
    with ThreadPoolExecutor(2) as waiting, ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=line.address, timeout=70)) for _ in polls]
        for client in clients:
            client.get("/livez")  # connected: what is left of a poll is to send it
        answers = [
            waiting.submit(client.get, path, params=query) for client, (path, query) in zip(clients, polls, strict=True)
        ]
        time.sleep(0.3)
        assert line.stop() < 5
        assert answers[0].result().json()["verdicts"] == []
        assert answers[1].result().status_code == 200
