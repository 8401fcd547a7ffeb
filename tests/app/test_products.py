"""Products that serve and products that do not, over HTTP."""

from pathlib import Path

from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft


def test_a_product_too_large_for_any_worker_says_so_each_time(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with serving(tmp_path, load_fake, start_s=0, resident_bytes=1) as client:
        for _ in range(2):
            status, answer = post(client, encoded(part(), "png"))
            assert (status, answer["code"]) == (507, "product.too_large")
            assert "INSPECT_RESIDENT_BYTES" in answer["detail"]
        assert "INSPECT_RESIDENT_BYTES" in client.get("/products/plate").json()["reason"]


def test_what_a_served_product_weighs_is_in_the_metrics(tmp_path: Path) -> None:
    version = Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with serving(tmp_path, load_fake) as client:
        size = (version.path / "weights.safetensors").stat().st_size
        assert f'inspect_resident_bytes{{device="cpu"}} {float(size)}' in client.get("/metrics").text
