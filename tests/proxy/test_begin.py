"""The beginning of an exchange: ids that sort, the trace it belongs to, the policy it keeps."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers, Request
from gateway.proxy.begin import Current, Ids, trace_of
from gateway.proxy.live import Live

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def request(**headers: str) -> Request:
    return Request("POST", "/v1/chat/completions", Headers(list(headers.items())))


def test_ids_are_never_the_same_and_sort_by_time() -> None:
    ids = Ids()
    made = [ids.next(now) for now in (1.0, 1.001, 2.0, 1e9, 1.7e9) for _ in range(300)]
    assert len(set(made)) == len(made)
    assert [each[4:16] for each in made] == sorted(each[4:16] for each in made)
    assert all(len(each) == 36 and each.startswith("ptx_") for each in made)


def test_an_id_begins_with_the_time_in_milliseconds() -> None:
    assert int(Ids().next(1_700_000_000.123)[4:16], 16) == 1_700_000_000_123


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later", TRACE),
        ("", ""),
        (f"00-{TRACE}", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE[:-1]}x-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}0-00f067aa0ba902b7-01", ""),
    ],
)
def test_the_trace_is_that_of_a_valid_traceparent(header: str, trace: str) -> None:
    assert trace_of(header) == trace


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_header_gives_a_trace_or_none(header: str) -> None:
    assert len(trace_of(header)) in (0, 32)


def test_an_exchange_keeps_the_policy_of_its_beginning() -> None:
    first, second = cast("Live", object()), cast("Live", object())
    current = Current(first)
    begun: Any = current.begin(request(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"))
    current.live = second
    assert begun.snapshot is first
    assert begun.trace_id == TRACE
    assert current.begin(request()).snapshot is second
    assert current.begin(request()).trace_id == ""
