"""The beginning of an exchange: its id, its clock, and the policy that it keeps to its end."""

from __future__ import annotations

import os
import re
import time

from gateway.exchange import Exchange
from gateway.message import Request
from gateway.proxy.live import Live

_RANDOM_BYTES = 10
_AT_ONCE = 256
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class Current:
    """Makes exchanges that keep the policy of the moment at which they began."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._ids = Ids()

    def begin(self, request: Request) -> Exchange:
        now, begun = time.time(), time.perf_counter_ns()
        traceparent = request.headers.get("traceparent")
        exchange = Exchange(self._ids.next(now), request, now, time.perf_counter_ns)
        if traceparent:
            exchange.trace_id = trace_of(traceparent)
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


def trace_of(traceparent: str) -> str:
    """The trace id of a `traceparent` header (W3C Trace Context, section 3.2); "" for another."""
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    return found[1] if found else ""
