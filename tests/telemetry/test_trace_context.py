"""W3C Trace Context: what is read of a request's headers, and what is written for the next hop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers
from gateway.telemetry.trace_context import (
    LONGEST_STATE,
    RANDOM,
    SAMPLED,
    Parent,
    parse,
    trace_of,
    traceparent,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE),
        (f" 00-{TRACE}-{SPAN}-01 ", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TRACE),
        ("", ""),
        (f"00-{TRACE}", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}-01-more", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        (f"00-{TRACE[:-1]}x-{SPAN}-01", ""),
        (f"00-{TRACE}0-{SPAN}-01", ""),
    ],
)
def test_the_trace_is_that_of_a_valid_traceparent(header: str, trace: str) -> None:
    assert trace_of(header) == trace


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_header_gives_a_trace_or_none(header: str) -> None:
    assert len(trace_of(header)) in (0, 32)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_what_is_written_is_read_as_the_same_trace(trace: int, span: int, flags: int) -> None:
    parent = parse({"traceparent": traceparent(trace, span, flags)})
    assert parent == Parent(trace, span, flags & (SAMPLED | RANDOM))
    assert parent.sampled == bool(flags & 1)


def test_the_state_comes_along_and_one_that_is_too_long_or_no_text_does_not() -> None:
    def state_of(state: str) -> str:
        headers = Headers([("Traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", state)])
        parent = parse(headers)
        assert parent is not None
        return parent.state

    assert state_of("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE") == (
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    )
    assert state_of("a=" + "b" * (LONGEST_STATE - 2)) != ""
    assert state_of("a=" + "b" * (LONGEST_STATE - 1)) == ""
    assert state_of("a=\u00e9") == ""
