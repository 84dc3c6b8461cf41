"""W3C Trace Context (Level 1 recommendation, and Level 2's random flag): the trace that a call
belongs to, as it comes in and as it goes on.

Rules of this file:
- Pure, and known to the data path. Where tracing is off nothing of it runs but `trace_of`.
- What cannot be read counts as absent: a broken header never stops a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

TRACEPARENT, TRACESTATE, BAGGAGE = "traceparent", "tracestate", "baggage"
FIELDS = frozenset({TRACEPARENT, TRACESTATE, BAGGAGE})
"""Header names, and the keys in MCP's `_meta` (SEP-414)."""

SAMPLED, RANDOM = 0x01, 0x02

LONGEST_STATE = 512
"""Characters of a `tracestate` that are passed on: as many as every hop must keep (section
3.3.1.5). A longer one is dropped whole, which the recommendation permits."""

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_STATE = re.compile(r"[\x20-\x7e\t]*")


@dataclass(frozen=True, slots=True)
class Parent:
    """Whose child a span is: ids as numbers, as OTLP's encoder takes them."""

    trace_id: int
    span_id: int
    flags: int
    state: str = ""

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)


class Fields(Protocol):
    """Where the fields stand: a request's headers, a body's `_meta`."""

    def get(self, name: str, default: str = "", /) -> str: ...


def parse(fields: Fields | Mapping[str, str]) -> Parent | None:
    """The parent that the fields name; None where they name none that can be read."""
    text = fields.get(TRACEPARENT, "")
    found = _TRACEPARENT.fullmatch(text.strip()) if text else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    state = fields.get(TRACESTATE, "")
    if len(state) > LONGEST_STATE or not _STATE.fullmatch(state):
        state = ""
    return Parent(int(found[2], 16), int(found[3], 16), int(found[4], 16), state.strip())


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """The field for a child of this span (version 00)."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags & (SAMPLED | RANDOM):02x}"


def trace_of(text: str) -> str:
    """The trace id of a `traceparent` as 32 hex digits; "" where it cannot be read."""
    parent = parse({TRACEPARENT: text})
    return f"{parent.trace_id:032x}" if parent is not None else ""
