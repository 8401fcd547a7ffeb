"""What was answered 202 has a verdict in the end, also where the process that promised it is dead."""

import hashlib
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from app.folder import Folder
from app.ledger.database import ledger_url, open_engine, writing
from app.ledger.errors import LedgerUnavailable
from app.part import Part
from app.promises import Promises
from app.submission import Submission
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import serving
from tests.app.test_records import plain, post, settled
from tests.model_store.drafts import make_draft


def submission(product: str = "plate", due: float = math.inf) -> Submission:
    part = Part(product=product, part_id="C-7", station="A", captured_at=datetime(2026, 11, 25, 8, tzinfo=UTC))
    sha256 = hashlib.sha256(plain(9)).hexdigest()
    return Submission(part=part, data=plain(9), sha256=sha256, received_at=datetime.now(UTC), key=product, due=due)


def test_a_promise_is_read_again_as_it_was_made_and_gone_once_it_is_kept(tmp_path: Path) -> None:
    promises, made = Promises(Folder(tmp_path)), submission()
    promises.make(made)
    assert promises.outstanding() == [made]
    promises.forget(made)
    assert promises.outstanding() == []


def test_a_deadline_goes_on_while_nothing_runs(tmp_path: Path) -> None:
    promises, due = Promises(Folder(tmp_path)), time.monotonic() + 5
    promises.make(submission(due=due))
    (found,) = promises.outstanding()
    assert found.due == pytest.approx(due, abs=0.5)


def test_a_disk_that_takes_nothing_gives_no_promise(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LedgerUnavailable, match="promise"):
        Promises(Folder(tmp_path / "file")).make(submission())


def test_damaged_promises_hold_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    promises = Promises(Folder(tmp_path))
    promises.make(submission())
    (path,) = tmp_path.glob("*/*")
    path.write_bytes(path.read_bytes()[:20])
    assert promises.outstanding() == []
    assert "cannot be read" in caplog.text


def test_what_a_crash_left_of_a_promise_was_promised_to_nobody(tmp_path: Path) -> None:
    promises = Promises(Folder(tmp_path))
    promises.make(submission())
    (path,) = tmp_path.glob("*/*")
    path.rename(path.with_name(f".{path.name}.1234.tmp"))
    assert promises.outstanding() == []
    assert list(tmp_path.glob("*/*")) == []


def test_what_the_ledger_did_not_take_is_pending_until_it_does_and_nothing_more_is_promised(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    engine, later = open_engine(ledger_url(tmp_path / "data", None)), {"Prefer": "respond-async"}
    with serving(tmp_path, load_fake) as client:
        with writing(engine).begin() as connection:
            connection.execute(text("ALTER TABLE counter RENAME TO away"))
        places, end = [post(client, headers=later).headers["location"]], time.monotonic() + 20
        while (refused := post(client, headers=later)).status_code == 202:  # until the ledger's trouble is known
            places.append(refused.headers["location"])
            assert time.monotonic() < end
        assert (refused.status_code, refused.json()["code"]) == (503, "ledger.unavailable")
        assert {client.get(place).json()["verdict"] for place in places} == {"pending"}
        with writing(engine).begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO counter"))
        assert {settled(client, place)["verdict"] for place in places} <= {"ok", "ng"}
    engine.dispose()
    assert list((tmp_path / "data" / "promised").glob("*/*")) == []


def test_the_next_life_keeps_what_the_one_before_promised(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    promises, taken, gone = Promises(Folder(tmp_path / "data" / "promised")), submission(), submission("scrapped")
    for made in (taken, gone):
        promises.make(made)
    with serving(tmp_path, load_fake) as client:
        verdict = settled(client, f"/verdicts/{taken.id}")
        assert (verdict["id"], verdict["part_id"], verdict["score"]) == (taken.id, "C-7", 9)
        assert post(client, headers={"Idempotency-Key": "plate"}, part_id="C-7", station="A").json()["id"] == taken.id
        end = time.monotonic() + 20
        while client.get(f"/verdicts/{gone.id}").status_code != 404:  # its product is no longer in the store
            assert time.monotonic() < end
    assert promises.outstanding() == []


def test_nothing_is_left_of_promises_that_were_kept(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with serving(tmp_path, load_fake) as client:
        settled(client, post(client, headers={"Prefer": "respond-async"}).headers["location"])
        settled(client, post(client, data=b"none", headers={"Prefer": "respond-async"}).headers["location"])
    assert list((tmp_path / "data" / "promised").glob("*/*")) == []
