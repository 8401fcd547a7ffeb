"""Reading verdicts over HTTP: pages, forms, streams, dispositions."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.keys import add_key
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft

PICTURE = encoded(np.full((32, 32, 3), 9, np.uint8), "png")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("reading")
    Registry(folder / "store").publish(make_draft(), activate=True)
    with serving(folder, load_fake) as client:
        for number in range(5):
            post(client, PICTURE, part_id=f'C "{number}", ü', station="AB"[number % 2])
        yield client


def test_pages_follow_each_other_by_cursor_and_by_link(client: TestClient) -> None:
    page = client.get("/verdicts", params={"limit": 2, "station": "A"})
    body = page.json()
    assert ([each["seq"] for each in body["verdicts"]], body["more"]) == ([1, 3], True)
    (following,) = re.findall('<([^>]+)>; rel="next"', page.headers["link"])
    rest = client.get(following).json()
    assert ([each["seq"] for each in rest["verdicts"]], rest["more"]) == ([5], False)
    assert client.get("/verdicts", params={"after": rest["cursor"]}).json()["verdicts"] == []
    assert client.get("/verdicts", params={"after": "latest"}).json()["cursor"] == rest["cursor"]


def test_a_page_may_begin_so_many_numbers_before_the_latest(client: TestClient) -> None:
    def found(after: str) -> list[int]:
        return [each["seq"] for each in client.get("/verdicts", params={"after": after}).json()["verdicts"]]

    assert found("latest-2") == [4, 5]
    assert found("latest-900") == [1, 2, 3, 4, 5]
    assert client.get("/verdicts", params={"after": "latest-0"}).json()["code"] == "cursor.bad"


def test_a_record_is_the_same_in_a_page_alone_and_in_every_form(client: TestClient) -> None:
    first = client.get("/verdicts?limit=1").json()["verdicts"][0]
    assert client.get(f"/verdicts/{first['id']}").json() == first
    lines = client.get("/verdicts", headers={"Accept": "application/x-ndjson"})
    assert json.loads(lines.text.splitlines()[0]) == first
    assert (len(lines.text.splitlines()), lines.headers["x-more"]) == (5, "false")
    table = client.get("/verdicts", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["part_id"] for row in rows] == [f'C "{number}", ü' for number in range(5)]
    assert (rows[0]["seq"], float(rows[0]["score"]), rows[0]["simulated"]) == ("1", first["score"], "false")


def test_a_record_has_an_etag_that_saves_its_body(client: TestClient) -> None:
    place = f"/verdicts/{client.get('/verdicts?limit=1').json()['verdicts'][0]['id']}"
    etag = client.get(place).headers["etag"]
    again = client.get(place, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize("query", ["stations=A", "limit=0", "wait=61", "since=yesterday", "verdict=good", "after="])
def test_a_question_that_is_misspelled_is_refused(client: TestClient, query: str) -> None:
    problem = client.get(f"/verdicts?{query}")
    assert problem.status_code == 422
    assert problem.json()["code"] in ("request.invalid", "cursor.bad")


def test_a_cursor_of_another_ledger_is_refused_also_by_the_stream(client: TestClient) -> None:
    assert client.get("/verdicts?after=AAAA").json()["code"] == "cursor.bad"
    assert client.get("/verdicts/stream", headers={"Last-Event-ID": "AAAA"}).json()["code"] == "cursor.bad"


def test_a_person_says_what_a_part_was_and_the_rates_follow(client: TestClient) -> None:
    verdict = client.get("/verdicts?limit=1").json()["verdicts"][0]
    place = f"/verdicts/{verdict['id']}"
    said = client.post(f"{place}/disposition", json={"found": "good", "who": "Kim", "reason": "dust"})
    assert (said.status_code, said.json()["found"]) == (201, "good")
    assert [(each["who"], each["authenticated"]) for each in client.get(f"{place}/dispositions").json()] == [
        ("Kim", False)
    ]
    agreement = client.get("/products/plate/agreement").json()
    assert agreement["looked"][verdict["verdict"]]["looked_at"] == 1
    assert agreement["false_reject"]["low"] <= agreement["false_reject"]["high"] <= 1
    assert client.get(place).json() == verdict


@pytest.mark.parametrize(
    "body", [{}, {"found": "maybe", "who": "Kim"}, {"found": "good"}, {"found": "good", "who": ""}, {"x": 1}]
)
def test_a_disposition_needs_a_word_and_a_name(client: TestClient, body: Any) -> None:
    place = f"/verdicts/{client.get('/verdicts?limit=1').json()['verdicts'][0]['id']}/disposition"
    assert client.post(place, json=body).json()["code"] == "request.invalid"
    assert client.post("/verdicts/none/disposition", json={"found": "good", "who": "K"}).status_code == 404


def test_acts_bear_the_name_of_their_key_whatever_their_sender_says(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    key = add_key(tmp_path / "keys.toml", "inspector-1", ["admin"])
    with serving(tmp_path, load_fake, keys_file=tmp_path / "keys.toml") as client:
        client.headers["X-API-Key"] = key
        place = f"/verdicts/{post(client, PICTURE)[1]['id']}"
        thresholds = {"ng_above": 100, "review_above": 50, "why": "w"}
        for said in ({}, {"who": "Kim"}):
            acts = [
                client.post(f"{place}/disposition", json={"found": "good"} | said),
                client.put(f"{place}/hold", json={"why": "claim"} | said),
                client.request("DELETE", f"{place}/hold", params={"why": "settled"} | said),
                client.put("/products/plate/thresholds", json=thresholds | said),
            ]
            facts = [[act.json()[name] for name in ("who", "operator", "authenticated")] for act in acts]
            assert facts == [["inspector-1", said.get("who"), True]] * 4
        assert client.get(f"{place}/dispositions").json()[-1]["operator"] == "Kim"
