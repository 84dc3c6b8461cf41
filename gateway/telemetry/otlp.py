"""OpenTelemetry's packages: ids, sampler, resource, and the exporter to an OTLP backend.

The only file of tracing that knows them, imported only where it is on. They read their own
environment variables (`OTEL_EXPORTER_OTLP_*`, `OTEL_TRACES_SAMPLER*`, `OTEL_SERVICE_NAME`,
`OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from gateway import __version__
from gateway.telemetry import semconv
from gateway.telemetry.spans import Span
from gateway.telemetry.trace_context import SAMPLED, Parent

NAME = "portcullis"
"""The service's name where `OTEL_SERVICE_NAME` gives none."""

_SCOPE = InstrumentationScope(NAME, __version__, semconv.SCHEMA)
_OK, _FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


class Sdk:
    """One worker's."""

    def __init__(self) -> None:
        self._resource = resource_of()
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._sampler = provider.sampler
        self._follows = self._sampler is DEFAULT_ON
        self.ids = provider.id_generator
        self._exporter = OTLPSpanExporter()
        # Its lines from here on would come at every try; the queue says what is lost.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def sample(self, trace_id: int, parent: Parent | None) -> bool:
        """Whether a trace is recorded."""
        if self._follows:  # the usual one, and asking it costs as much as all the rest
            return parent is None or parent.sampled
        context = None
        if parent is not None:
            flags = TraceFlags(parent.flags)
            above = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(above))
        decided = self._sampler.should_sample(context, trace_id, NAME, SpanKind.SERVER)
        return decided.decision is Decision.RECORD_AND_SAMPLE

    def export(self, spans: Sequence[Span]) -> bool:
        """Send spans, and wait until they arrived or the exporter gave up."""
        made = [self._made(span) for span in spans]
        return self._exporter.export(made) is SpanExportResult.SUCCESS

    def stop(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _made(self, span: Span) -> ReadableSpan:
        state = _state(span.state)
        flags = TraceFlags(span.flags)
        parent = None
        if span.parent:
            parent = SpanContext(span.trace_id, span.parent, span.remote, flags, state)
        links = []
        if span.link is not None:
            links = [Link(SpanContext(*span.link, is_remote=True, trace_flags=TraceFlags(SAMPLED)))]
        return ReadableSpan(
            name=span.name,
            context=SpanContext(span.trace_id, span.span_id, False, flags, state),
            parent=parent,
            resource=self._resource,
            attributes=span.attributes,
            events=[Event(name, said, when) for name, when, said in span.events],
            links=links,
            kind=SpanKind.SERVER if span.server else SpanKind.CLIENT,
            status=_FAILED if span.failed else _OK,
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=_SCOPE,
        )


@functools.lru_cache(maxsize=64)
def _state(text: str) -> TraceState:
    return TraceState.from_header([text]) if text else TraceState()


def resource_of() -> Resource:
    """What the environment says of this service; what it leaves out is ours. The SDK gives every
    process a `service.instance.id`."""
    found = Resource.create()
    ours = {"service.version": __version__} if "service.version" not in found.attributes else {}
    if str(found.attributes.get("service.name", "")).startswith("unknown_service"):
        ours["service.name"] = NAME
    return found.merge(Resource(ours))
