"""A heatmap's life over HTTP: kept, lost, expired, or never asked for."""

from pathlib import Path

from fastapi.testclient import TestClient

from app.ledger.database import ledger_url, open_engine
from app.ledger.migrate import migrate
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.ledger.old import write_old
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")


def published(folder: Path) -> Path:
    Registry(folder / "store").publish(make_draft(), activate=True)
    return folder


def heatmap_of(client: TestClient, verdict_id: str) -> tuple[int, str | None]:
    answer = client.get(f"/verdicts/{verdict_id}/heatmap")
    return answer.status_code, None if answer.status_code == 200 else answer.json()["code"]


def test_a_heatmap_is_a_file_beside_the_ledger_until_it_expires(tmp_path: Path) -> None:
    with serving(published(tmp_path), load_fake) as client:
        answer = post(client, PICTURE)[1]
        verdict_id, sha256 = answer["id"], answer["heatmap"]["sha256"]
        assert (tmp_path / "data/heatmaps" / sha256[:2] / sha256).is_file()
        assert heatmap_of(client, verdict_id) == (200, None)
        client.app.state.keeping.heatmaps.store.expire(1e11)  # type: ignore[attr-defined]
        assert heatmap_of(client, verdict_id) == (410, "heatmap.expired")
        assert client.get(f"/verdicts/{verdict_id}").json()["heatmap"]["lost"] is False


def test_none_was_asked_for(tmp_path: Path) -> None:
    with serving(published(tmp_path), load_fake) as client:
        assert heatmap_of(client, post(client, PICTURE, heatmap="none")[1]["id"]) == (404, "heatmap.none")


def test_a_verdict_of_schema_1_is_answered_with_the_heatmap_of_its_row(tmp_path: Path) -> None:
    write_old(published(tmp_path) / "data", 1, "a")
    engine = open_engine(ledger_url(tmp_path / "data", None))
    migrate(engine)
    engine.dispose()
    with serving(tmp_path, load_fake) as client:
        answer = client.get("/verdicts/a").json()
        assert (answer["received_at"], answer["model"]["spec_digest"], answer["heatmap"]["lost"]) == (None, None, False)
        assert client.get("/verdicts/a/heatmap").content == b"PNG"


def test_a_full_disk_costs_the_heatmap_and_never_the_verdict(tmp_path: Path) -> None:
    (published(tmp_path) / "data").mkdir()
    (tmp_path / "data/heatmaps").write_text("no folder")
    with serving(tmp_path, load_fake) as client:
        status, answer = post(client, PICTURE)
        assert (status, answer["heatmap"]["lost"]) == (200, True)
        assert answer["heatmap"]["data"]
        assert client.get(f"/verdicts/{answer['id']}").json()["heatmap"]["lost"] is True
        assert heatmap_of(client, answer["id"]) == (404, "heatmap.lost")
        assert "inspect_heatmaps_lost_total 1.0" in client.get("/metrics").text
