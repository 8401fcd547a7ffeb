"""What /metrics says of a service that has worked, and that it is what docs/metrics.md promises."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse

from app.metric_list import BY_NAME, METRICS
from app.metrics import Metrics, score_ratio
from app.metrics_doc import render
from app.stages import STAGES
from app.stations import MOST
from detector.calibration import Calibration, calibrate
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")
GOOD: Calibration = calibrate([-3.0, -2.0, -1.0], promise=0.25, review_rate=0, map_floor=-4)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("metrics")
    calibration = replace(calibrate([float(score) for score in range(256)], promise=0.05, review_rate=0, map_floor=-1))
    draft = replace(make_draft(), calibration=calibration)
    Registry(folder / "store").publish(draft, activate=True)
    with serving(folder, load_fake, product_deadlines_ms={"plate": 17_000}) as client:
        for _ in range(60):
            assert post(client, PICTURE, station="EL-1", part_id="C-77", heatmap="none")[0] == 200
        assert post(client, PICTURE, product="nonsense")[0] == 404
        assert post(client, b"\xff\xd8\xff", product="plate")[0] == 422
        yield client


@pytest.fixture
def text(client: TestClient) -> str:
    return client.get("/metrics").text


def test_two_workers_of_one_device_are_one_series(tmp_path: Path) -> None:
    with serving(tmp_path, load_fake, start_s=0, devices="cpu,cpu") as client:
        text = client.get("/metrics").text
    assert value(text, "inspect_workers_wanted") == 2
    assert value(text, "inspect_worker_hangs_total", device="cpu") == 0


def value(text: str, series: str, **labels: str) -> float:
    """Of the one sample of `series` that has all `labels`."""
    (found,) = [
        sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.name == series and labels.items() <= sample.labels.items()
    ]
    return found


def ours(families: Iterator[Family]) -> dict[str, Family]:
    return {family.name: family for family in families if family.name.startswith("inspect_")}


def test_what_is_served_is_what_the_list_says(text: str) -> None:
    found = ours(parse(text))
    always = {metric.name for metric in METRICS if metric.only != "NVIDIA"}
    assert set(found) == always
    for name, family in found.items():
        assert family.type == BY_NAME[name].kind, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(BY_NAME[name].labels), name


def test_the_page_is_what_the_list_says() -> None:
    assert (Path(__file__).parents[2] / "docs/metrics.md").read_text() == render()


def test_openmetrics_is_served_to_who_asks_for_it(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    stages = ours(open_metrics(answer.text))["inspect_stage_seconds"]
    traces = [sample.exemplar.labels["trace_id"] for sample in stages.samples if sample.exemplar]
    assert traces
    assert all(len(trace) == 32 for trace in traces)


def test_no_series_names_a_part_or_what_senders_made_up(text: str) -> None:
    assert "C-77" not in text
    assert "nonsense" not in text


def test_series_of_a_served_product_begin_at_zero(text: str) -> None:
    assert value(text, "inspect_verdicts_total", product="plate", station="EL-1", verdict="ng") == 0
    assert value(text, "inspect_errors_total", product="plate", code="queue.full") == 0
    assert value(text, "inspect_deadline_missed_total", product="plate") == 0


def test_every_stage_of_a_product_begins_at_zero() -> None:
    metrics = Metrics()
    metrics.begin("gear")
    text = generate_latest(metrics.registry).decode()
    for stage in STAGES:
        assert value(text, "inspect_stage_seconds_count", product="gear", stage=stage) == 0


def test_every_stage_that_is_measured_is_in_the_list(text: str) -> None:
    found = re.findall(r'inspect_stage_seconds_count\{product="plate",stage="(\w+)"\}', text)
    assert set(found) == set(STAGES)


def test_errors_are_counted_by_product_and_code(text: str) -> None:
    assert value(text, "inspect_errors_total", product="plate", code="picture.truncated") == 1
    assert value(text, "inspect_errors_total", product="", code="product.unknown") == 1


def test_verdicts_stages_batches_and_pictures_are_counted(text: str) -> None:
    assert value(text, "inspect_verdicts_total", station="EL-1", verdict="ok") == 60
    assert value(text, "inspect_stage_seconds_count", stage="total") == 60
    assert value(text, "inspect_batch_pictures_count", product="plate") == 60
    assert 0 < value(text, "inspect_image_mean_sum", station="EL-1") < 60
    assert value(text, "inspect_loads_total", product="plate", device="cpu") == 1


def test_a_deadline_is_an_edge_of_the_latency_buckets(text: str) -> None:
    assert value(text, "inspect_stage_seconds_bucket", stage="total", le="17.0") >= 0


def test_stations_beyond_the_limit_are_one(client: TestClient) -> None:
    for number in range(MOST + 2):
        post(client, PICTURE, station=f"S{number}", heatmap="none")
    text = client.get("/metrics").text
    assert value(text, "inspect_verdicts_total", station="other", verdict="ok") == 3
    assert "S33" not in text


def test_drift_is_in_the_metrics_and_answered_by_product_and_station(client: TestClient, text: str) -> None:
    report = next(it for it in client.get("/products/plate/drift").json() if it["station"] == "EL-1")
    assert report["parts"] == 60
    assert report["scores"]["psi"] == pytest.approx(value(text, "inspect_drift_psi", station="EL-1"))
    assert value(text, "inspect_drift_alarm", station="EL-1", cause="product") == 1  # one score is no sample of 0 … 255
    assert report["cause"] == "product"
    assert client.get("/products/nonsense/drift").json()["code"] == "product.unknown"


@pytest.mark.parametrize(("score", "ratio"), [(-2.0, 0.0), (-1.0, 1.0), (0.0, 2.0), (-3.0, -1.0)])
def test_a_score_ratio_is_0_at_the_median_and_1_on_the_threshold_also_below_zero(score: float, ratio: float) -> None:
    assert score_ratio(score, GOOD) == pytest.approx(ratio)


def test_a_threshold_on_the_median_counts_from_the_map_floor() -> None:
    flat = calibrate([2.0] * 5, promise=0.25, review_rate=0, map_floor=0)
    assert score_ratio(1.0, flat) == 0.5
