"""The beginning of an exchange: its id, its clock, and the policy that it keeps to its end."""

from __future__ import annotations

import os
import re
import time

from gateway.exchange import Exchange
from gateway.message import Request
from gateway.proxy.live import Live
from gateway.telemetry.trace_context import trace_of
from gateway.telemetry.tracing import Tracing

_RANDOM_BYTES = 10
_AT_ONCE = 256
_NUMBER = re.compile(r"[0-9]{1,9}")
_MOST_RETRIES = 99


class Current:
    """Makes exchanges that keep the policy of the moment at which they began."""

    def __init__(self, live: Live, tracing: Tracing | None = None) -> None:
        self.live = live
        self._ids = Ids()
        self._tracing = tracing

    def begin(self, request: Request) -> Exchange:
        now, begun = time.time(), time.perf_counter_ns()
        exchange = Exchange(self._ids.next(now), request, now, time.perf_counter_ns)
        if self._tracing is not None:
            self._tracing.begin(exchange)
        elif traceparent := request.headers.get("traceparent"):
            exchange.trace_id = trace_of(traceparent)
        if retries := request.headers.get("x-stainless-retry-count"):
            exchange.attempt = attempt_of(retries)
        exchange.snapshot = self.live
        exchange.begun = exchange.left = begun
        return exchange


class Ids:
    """Makes the calls' ids: 12 hex digits of time in milliseconds, so that ids sort, and 80 random
    bits. The system is asked for many ids' worth at once: a call of it costs more than the rest.
    """

    def __init__(self) -> None:
        self._random = ""
        self._at = 0

    def next(self, now: float) -> str:
        if self._at == len(self._random):
            self._random, self._at = os.urandom(_RANDOM_BYTES * _AT_ONCE).hex(), 0
        self._at += 2 * _RANDOM_BYTES
        random = self._random[self._at - 2 * _RANDOM_BYTES : self._at]
        return f"ptx_{int(now * 1000):012x}{random}"


def attempt_of(retries: str) -> int:
    """Which attempt at one call this is, by the header in which the SDKs of OpenAI and Anthropic
    count the earlier ones; at most 100, and 1 where it is no number."""
    return 1 + min(int(retries), _MOST_RETRIES) if _NUMBER.fullmatch(retries) else 1
