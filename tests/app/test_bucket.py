"""The same store in a bucket: moto's S3 server, of this machine and this process."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.picture_errors import ImageExpired, ImageLost, ImageUnavailable
from app.pictures import PICTURES, PictureStore, Retention
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

bucket = pytest.importorskip("app.bucket")
server = pytest.importorskip("moto.server", reason="the bucket's tests need moto: pip install -e '.[dev]'")
pytest.importorskip("s3fs", reason="pip install 'inspect-line[s3]'")


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A server with the bucket `line`; the last test stops it."""
    monkeypatch = pytest.MonkeyPatch()
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    environment = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}
    for name, value in environment.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket.Bucket("s3://line")._files.makedirs("line", exist_ok=True)
    yield running
    running.stop()
    monkeypatch.undo()


@pytest.mark.usefixtures("s3")
def test_a_bucket_keeps_gives_lists_and_expires() -> None:
    store = PictureStore(bucket.Bucket("s3://line/plant-1/pictures"), PICTURES, Retention(max_age_s=3600))
    name = store.save(b"picture")
    assert store.load(name) == b"picture"
    again = PictureStore(bucket.Bucket("s3://line/plant-1/pictures/"), PICTURES, Retention(max_age_s=3600))
    again.scan()
    assert (again.bytes, again.expire(time.time())) == (7, 0)
    assert again.expire(time.time() + 7200) == 1
    with pytest.raises(ImageExpired):
        store.load(name)


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_away_is_soon_left_alone_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PAUSE_S", 0.3)
    place = bucket.Bucket("s3://elsewhere/pictures")
    store = PictureStore(place, PICTURES, Retention())
    with pytest.raises(ImageLost):
        store.save(b"x")
    with pytest.raises(ImageLost, match="not tried again yet"):
        store.save(b"x")
    place._files.mkdir("elsewhere")
    time.sleep(0.3)
    assert store.load(store.save(b"x")) == b"x"


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_none_has_not_forgotten_a_picture() -> None:
    store = PictureStore(bucket.Bucket("s3://nowhere"), PICTURES, Retention())
    with pytest.raises(ImageUnavailable):
        store.load("ab/" + "ab" * 32)


def test_a_verdict_does_not_wait_for_a_bucket(s3: Any, tmp_path: Path) -> None:
    picture = encoded(part(), "png")
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with serving(tmp_path, load_fake, keep_in="s3://line/here", keep_pictures="all") as client:
        answer = post(client, picture)[1]
        assert client.get(answer["picture"]["url"]).content == picture
        s3.stop()
        began = time.monotonic()
        lost = [post(client, picture)[1] for _ in range(3)]
        assert time.monotonic() - began < 5
        assert [each["picture"]["lost"] for each in lost] == [True] * 3
        assert client.get(answer["picture"]["url"]).json()["code"] == "image.unavailable"
        assert client.get("/retention").json()["pictures"]["place"] == "s3://line/here/pictures"
