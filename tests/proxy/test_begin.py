"""The beginning of an exchange: ids that sort, the trace it belongs to, the policy it keeps."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.message import Headers, Request
from gateway.proxy.begin import Current, Ids
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


def test_an_exchange_keeps_the_policy_of_its_beginning() -> None:
    first, second = cast("Live", object()), cast("Live", object())
    current = Current(first)
    begun: Any = current.begin(request(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"))
    current.live = second
    assert begun.snapshot is first
    assert begun.trace_id == TRACE
    assert current.begin(request()).snapshot is second
    assert current.begin(request()).trace_id == ""


@pytest.mark.parametrize(
    ("retries", "attempt"),
    [("0", 1), ("1", 2), ("2", 3), ("4711", 100), ("", 1), ("-1", 1), ("two", 1), ("9" * 30, 1)],
)
def test_an_sdk_says_which_attempt_a_call_is(retries: str, attempt: int) -> None:
    current = Current(cast("Any", object()))
    headers = Headers([("X-Stainless-Retry-Count", retries)] if retries else [])
    begun = current.begin(Request("POST", "/v1/chat/completions", headers))
    assert begun.attempt == attempt
