"""Spans by OpenTelemetry's SDK. Imported only where an endpoint is set; needs the extra `otel`.

In: requests and their stages. Out: OTLP over HTTP to `<endpoint>/v1/traces`, in batches, from a thread of the SDK.
The SDK's own OTEL_* variables hold beside it (sampling, headers, resource attributes).
"""

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from app.spans import NANOSECONDS, OVERLAPPING
from app.trace import Trace


class OtelSpan:
    """One request, as a span of kind SERVER; its stages are spans below it."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def trace(self) -> Trace:
        """Its place, as the SDK chose it."""
        context = self._span.get_span_context()
        return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)

    def end(self, scope: Mapping[str, Any], status: int) -> None:
        """Named by its route, never by what the sender wrote; a 5xx is an error, a refused request is none."""
        route = getattr(scope.get("route"), "path", "unknown")
        self._span.update_name(f"{scope['method']} {route}")
        attributes = {"http.request.method": scope["method"], "http.route": route, "http.response.status_code": status}
        self._span.set_attributes(attributes | dict(scope.get("state", {}).get("span", {})))
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._add_stages(scope.get("state", {}).get("stages", {}))
        self._span.end()

    def _add_stages(self, stages: Mapping[str, float]) -> None:
        """Milliseconds by stage, one after the other up to now."""
        place = set_span_in_context(self._span)
        start = time.time_ns() - int(sum(ms for name, ms in stages.items() if name not in OVERLAPPING) * NANOSECONDS)
        for name, milliseconds in stages.items():
            if name not in OVERLAPPING:
                span = self._tracer.start_span(name, place, start_time=start)
                start += int(milliseconds * NANOSECONDS)
                span.end(start)


class OtelSpans:
    """Where spans come from."""

    def __init__(self, endpoint: str, version: str) -> None:
        resource = Resource.create({SERVICE_NAME: "inspect-line", SERVICE_VERSION: version})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("inspect-line", version)

    def begin(self, sender: Trace | None) -> OtelSpan:
        """A span below the sender's."""
        parent = None if sender is None else set_span_in_context(NonRecordingSpan(_context_of(sender)))
        return OtelSpan(self._tracer, self._tracer.start_span("request", parent, SpanKind.SERVER))

    def close(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()


def _context_of(sender: Trace) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if sender.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(int(sender.trace_id, 16), int(sender.span_id, 16), is_remote=True, trace_flags=flags)
