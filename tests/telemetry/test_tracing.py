"""An exchange's place in its trace: whose child it is, what upstream is told, what is sent."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from gateway.exchange import Exchange
from gateway.message import Headers, Request
from gateway.telemetry.span_queue import SpanQueue
from gateway.telemetry.spans import Span
from gateway.telemetry.trace_context import Parent, traceparent
from gateway.telemetry.tracing import Tracing, open_tracing, sent_again
from gateway.testing import PlainCall, make_call, make_exchange

ABOVE = Parent(0xAB, 0xCD, 1, "a=1")
HEADER = traceparent(0xAB, 0xCD, 1)


class Ids:
    def __init__(self) -> None:
        self._next = itertools.count(1)

    def generate_trace_id(self) -> int:
        return 0x100 + next(self._next)

    def generate_span_id(self) -> int:
        return next(self._next)


class Queue:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, spans: Sequence[Span]) -> None:
        self.spans += spans


def tracing_of(*, sampled: bool = True, propagates: bool = True) -> Tracing:
    def sample(trace_id: int, parent: Parent | None) -> bool:
        return parent.sampled if parent is not None else sampled

    queue = cast("SpanQueue", Queue())
    return Tracing(Ids(), sample, queue, propagates=propagates)


def begun(tracing: Tracing, *headers: tuple[str, str]) -> Exchange:
    exchange = make_exchange()
    exchange.request = Request("POST", "/v1/chat/completions", Headers(list(headers)))
    ticks = itertools.count(1)
    exchange.monotonic = lambda: next(ticks)
    tracing.begin(exchange)
    return exchange


def handed(tracing: Tracing) -> list[Span]:
    return cast("Queue", tracing.queue).spans


def test_the_caller_is_the_parent_and_upstream_is_told_of_its_own_span() -> None:
    exchange = begun(tracing_of(), ("traceparent", HEADER), ("tracestate", "a=1"))
    assert exchange.trace.parent == ABOVE
    assert exchange.trace_id == f"{0xAB:032x}"
    headers = Headers(exchange.request.headers.items)
    exchange.trace.sends(exchange, headers, tells=True)
    (attempt,) = exchange.trace.attempts
    assert headers.get("traceparent") == traceparent(0xAB, attempt.span_id, 1)
    assert headers.get("tracestate") == "a=1"
    assert attempt.span_id not in (0xCD, exchange.trace.span_id)


def test_a_state_without_a_trace_goes_no_further() -> None:
    exchange = begun(tracing_of(), ("traceparent", "nonsense"), ("tracestate", "a=1"))
    headers = Headers(exchange.request.headers.items)
    exchange.trace.sends(exchange, headers, tells=True)
    assert "tracestate" not in headers
    assert headers.get("traceparent").startswith(f"00-{exchange.trace.trace_id:032x}-")


@pytest.mark.parametrize("sampled", [True, False])
def test_a_trace_that_nobody_finds_is_in_no_record(sampled: bool) -> None:
    exchange = begun(tracing_of(sampled=sampled))
    assert bool(exchange.trace_id) == sampled


def test_without_propagation_headers_stay_as_they_came() -> None:
    exchange = begun(tracing_of(propagates=False), ("traceparent", HEADER), ("tracestate", "a=1"))
    assert exchange.trace.parent is None
    headers = Headers(exchange.request.headers.items)
    before = list(headers.items)
    exchange.trace.sends(exchange, headers, tells=True)
    sent_again(headers)
    assert headers.items == before


class Carrier(PlainCall):
    """A call whose body has a place for a context."""

    carried: Mapping[str, str] = {}

    def context(self) -> Mapping[str, str]:
        return self.carried

    def carry(self, traceparent: str, tracestate: str) -> None:
        self.carried = {"traceparent": traceparent, "tracestate": tracestate}


def carrier(**fields: str) -> Carrier:
    call = Carrier(make_call().document)
    call.carried = fields
    return call


def test_the_bodys_context_goes_before_that_of_the_headers_which_is_linked() -> None:
    exchange = begun(tracing_of(), ("traceparent", traceparent(0x1, 0x2, 1)))
    call = exchange.call = carrier(traceparent=HEADER, tracestate="a=1")
    exchange.trace.read(exchange, call)
    assert exchange.trace.parent == ABOVE
    assert exchange.trace.link == (0x1, 0x2)
    assert exchange.trace_id == f"{0xAB:032x}"
    headers = Headers(exchange.request.headers.items)
    exchange.trace.sends(exchange, headers, tells=True)
    assert call.carried["traceparent"] == headers.get("traceparent")
    assert headers.get("tracestate") == call.carried["tracestate"] == "a=1"


def test_one_context_in_both_places_needs_no_link_and_a_broken_one_counts_as_absent() -> None:
    exchange = begun(tracing_of(), ("traceparent", HEADER))
    exchange.trace.read(exchange, carrier(traceparent=HEADER))
    assert exchange.trace.link is None
    exchange.trace.read(exchange, carrier(traceparent="nonsense"))
    exchange.trace.read(exchange, carrier())
    assert (exchange.trace.parent.trace_id, exchange.trace.parent.span_id) == (0xAB, 0xCD)


def test_an_upstream_that_is_told_nothing_has_a_span_all_the_same() -> None:
    exchange = begun(tracing_of())
    call = exchange.call = carrier()
    headers = Headers()
    exchange.trace.sends(exchange, headers, tells=False)
    assert headers.items == []
    assert call.carried == {}
    assert len(exchange.trace.attempts) == 1


def test_a_request_that_goes_out_again_is_another_span() -> None:
    tracing = tracing_of()
    exchange = begun(tracing)
    headers = Headers()
    exchange.trace.sends(exchange, headers, tells=True)
    exchange.sent, exchange.upstream_status = True, 200
    before = headers.get("traceparent")
    sent_again(headers)
    first, second = exchange.trace.attempts
    assert headers.get("traceparent") != before
    assert first.began < first.ended == second.began
    tracing.end(exchange)
    _, failed, answered = handed(tracing)
    assert (failed.failed, answered.failed) == (True, False)
    assert answered.attributes["http.request.resend_count"] == 1
    assert failed.parent == answered.parent == exchange.trace.span_id


def test_what_is_not_sampled_is_not_handed_over() -> None:
    tracing = tracing_of()
    tracing.end(begun(tracing, ("traceparent", traceparent(0xAB, 0xCD, 0))))
    assert handed(tracing) == []
    tracing.end(begun(tracing, ("traceparent", HEADER)))
    assert len(handed(tracing)) == 1


def test_off_means_no_tracing_and_none_of_opentelemetrys_packages() -> None:
    assert open_tracing({}) is None
    look = "import sys, gateway.app; print([m for m in sys.modules if 'opentelemetry' in m])"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_exchange_without_tracing_has_no_trace() -> None:
    exchange: Any = make_exchange()
    assert exchange.trace is None
