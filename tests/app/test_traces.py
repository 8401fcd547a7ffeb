"""W3C trace context in and out, and spans that reach a collector."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.trace import Trace, child_of, read_traceparent
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("given", [SENT, f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_a_valid_traceparent_is_read_also_of_a_later_version(given: str) -> None:
    assert read_traceparent(given) == Trace(TRACE, SPAN, is_sampled=True)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1",
        f" {SENT}",
    ],
)
def test_what_the_standard_does_not_allow_is_no_trace(given: str | None) -> None:
    assert read_traceparent(given) is None


def test_a_span_stays_in_its_senders_trace_and_has_a_name_of_its_own() -> None:
    mine = child_of(read_traceparent(SENT))
    assert (mine.trace_id, mine.is_sampled) == (TRACE, True)
    assert mine.span_id != SPAN
    assert read_traceparent(mine.header) == mine


def test_every_answer_says_where_it_is_in_the_trace(tmp_path: Path) -> None:
    with serving(tmp_path, start_s=0) as client:
        answered = client.get("/nowhere", headers={"traceparent": SENT}).headers["traceparent"]
        assert answered.startswith(f"00-{TRACE}-")
        assert answered.endswith("-01")
        assert read_traceparent(client.get("/livez", headers={"traceparent": "nonsense"}).headers["traceparent"])


@contextmanager
def collecting() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector's address, and what it was sent."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_part_is_a_span_below_its_senders_with_its_stages_below_it(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with collecting() as (address, received):
        with serving(tmp_path, load_fake, otlp_endpoint=address) as client:
            query = {"product": "plate", "part_id": "C-42", "heatmap": "none"}
            sent = {"Content-Type": "image/png", "traceparent": SENT}
            answer = client.post("/inspect", params=query, content=encoded(part(), "png"), headers=sent)
            assert answer.status_code == 200
        spans = [
            it for one in received for res in one.resource_spans for scope in res.scope_spans for it in scope.spans
        ]
    mine = next(span for span in spans if span.parent_span_id.hex() == SPAN)
    assert (mine.name, mine.trace_id.hex()) == ("POST /inspect", TRACE)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{mine.span_id.hex()}-01"
    attributes = {it.key: it.value.string_value or it.value.int_value for it in mine.attributes}
    assert attributes["inspect.verdict_id"] == answer.json()["id"]
    assert attributes["http.response.status_code"] == 200
    stages = {span.name for span in spans if span.parent_span_id == mine.span_id}
    assert {"decode", "queue", "device", "ledger"} <= stages
