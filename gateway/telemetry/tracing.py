"""Traces: which one an exchange belongs to, what upstream is told of it, and its spans at the end.

Rules of this file:
- Where tracing is off there is no `Tracing`, no exchange has a `trace`, and OpenTelemetry's
  packages are not imported.
- Nothing here waits or fails a call: spans are handed to a bounded queue that a thread empties.
- An exchange's spans are made when it is closed. Until then only ids are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol

from gateway.dialects.base import Call
from gateway.exchange import Exchange
from gateway.message import Headers
from gateway.telemetry.span_queue import SpanQueue
from gateway.telemetry.spans import Span, spans_of
from gateway.telemetry.trace_context import (
    RANDOM,
    SAMPLED,
    TRACEPARENT,
    TRACESTATE,
    Parent,
    parse,
    traceparent,
)
from gateway.telemetry.trace_settings import read_trace_settings

FLUSH_LIMIT = 3.0
"""Seconds that a stopping worker gives to the last spans."""

Sample = Callable[[int, Parent | None], bool]
"""Whether a trace is recorded, by its id and its parent."""


class Ids(Protocol):
    def generate_trace_id(self) -> int: ...

    def generate_span_id(self) -> int: ...


class Attempt:
    """One call of upstream. Monotonic nanoseconds; `began` 0: when the record was opened; `ended`
    0: with the answer."""

    __slots__ = ("began", "ended", "span_id")

    def __init__(self, span_id: int, began: int) -> None:
        self.span_id = span_id
        self.began = began
        self.ended = 0


class Trace:
    """An exchange's place in its trace.

    Attributes:
        parent: the caller's span, None where we begin the trace.
        link: trace and span id of the request's headers, where the body names another parent.
        judged: how many verdicts there were when upstream was called; -1: it was not.
    """

    __slots__ = (
        "_clock",
        "_tracing",
        "attempts",
        "flags",
        "judged",
        "link",
        "parent",
        "span_id",
        "state",
        "trace_id",
    )

    def __init__(self, tracing: Tracing, parent: Parent | None, clock: Callable[[], int]) -> None:
        self._tracing = tracing
        self._clock = clock
        self.attempts: list[Attempt] = []
        self.judged = -1
        self.link: tuple[int, int] | None = None
        self.span_id = tracing.ids.generate_span_id()
        self._join(parent)

    def _join(self, parent: Parent | None) -> None:
        self.parent = parent
        if parent is None:
            self.trace_id, self.state = self._tracing.ids.generate_trace_id(), ""
            self.flags = RANDOM
        else:
            self.trace_id, self.state = parent.trace_id, parent.state
            self.flags = parent.flags & RANDOM
        if self._tracing.sample(self.trace_id, parent):
            self.flags |= SAMPLED

    @property
    def shown(self) -> str:
        """The trace's id for logs and records; "" where nobody would find it anywhere."""
        known = self.parent is not None or self.flags & SAMPLED
        return f"{self.trace_id:032x}" if known else ""

    def attempt(self, began: int) -> Attempt:
        """A call of upstream that begins."""
        return Attempt(self._tracing.ids.generate_span_id(), began)

    # --- in ---

    def read(self, exchange: Exchange, call: Call) -> None:
        """Take the context that the body carries (MCP's `_meta`): it is the message's own, and goes
        before that of the request which brought it."""
        fields = call.context() if self._tracing.propagates else None
        parent = parse(fields) if fields else None
        if parent is None:
            return
        before = self.parent
        if before is not None and (before.trace_id, before.span_id) != (
            parent.trace_id,
            parent.span_id,
        ):
            self.link = (before.trace_id, before.span_id)
        self._join(parent)
        exchange.trace_id = self.shown

    # --- out ---

    def sends(self, exchange: Exchange, headers: Headers, *, tells: bool) -> None:
        """Upstream is about to be called, and gets a span; what it does belongs under that, where
        the policy `tells` it of traces."""
        self.judged = len(exchange.verdicts)
        self.attempts.append(self.attempt(self._clock()))
        _sending.set(self)
        if tells and self._tracing.propagates:
            self._put(headers)
            assert exchange.call is not None
            exchange.call.carry(headers.get(TRACEPARENT), self.state)

    def _put(self, headers: Headers) -> None:
        attempt = self.attempts[-1]
        headers.set(TRACEPARENT, traceparent(self.trace_id, attempt.span_id, self.flags))
        if self.state:
            headers.set(TRACESTATE, self.state)
        elif TRACESTATE in headers:  # it means nothing without the trace that it came with
            headers.remove(TRACESTATE)

    def sends_again(self, headers: Headers) -> None:
        """The same request goes out once more, on another connection."""
        now = self._clock()
        self.attempts[-1].ended = now
        self.attempts.append(self.attempt(now))
        if TRACEPARENT in headers and self._tracing.propagates:
            self._put(headers)


_sending: ContextVar[Trace | None] = ContextVar("sending", default=None)


def sent_again(headers: Headers) -> None:
    """For the HTTP client, which knows of no exchange: what this task sends, it sends again."""
    trace = _sending.get()
    if trace is not None:
        trace.sends_again(headers)


class Tracing:
    """One worker's traces.

    Args:
        propagates: W3C's fields are read and written.
    """

    def __init__(self, ids: Ids, sample: Sample, queue: SpanQueue, *, propagates: bool) -> None:
        self.ids = ids
        self.sample = sample
        self.queue = queue
        self.propagates = propagates

    def begin(self, exchange: Exchange) -> None:
        """Give an exchange that begins its place."""
        parent = parse(exchange.request.headers) if self.propagates else None
        trace = exchange.trace = Trace(self, parent, exchange.monotonic)
        exchange.trace_id = trace.shown

    def end(self, exchange: Exchange) -> None:
        """Hand the spans of an exchange that has ended over."""
        trace: Trace | None = exchange.trace
        if trace is not None and trace.flags & SAMPLED:
            spans: Sequence[Span] = spans_of(exchange, trace)
            self.queue.put(spans)

    async def close(self) -> None:
        """Send what is left, for a short time."""
        await self.queue.close(FLUSH_LIMIT)


def open_tracing(environ: Mapping[str, str]) -> Tracing | None:
    """What the standard environment variables ask for; None where they ask for no traces.

    Raises:
        ConfigError: a variable says what cannot be done.
    """
    settings = read_trace_settings(environ)
    if settings is None:
        return None
    from gateway.telemetry import otlp

    sdk = otlp.Sdk()
    queue = SpanQueue(
        sdk.export, sdk.stop, most=settings.queue, batch=settings.batch, delay=settings.delay
    )
    return Tracing(sdk.ids, sdk.sample, queue, propagates=settings.propagates)
