"""A ping that carries what a caller on another stream is to be told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.jsonrpc import MAX_ID, read_messages
from gateway.dialects.mcp_carrier import carried, ping

IDS = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
)


@given(IDS, st.sampled_from(["tool", "server"]), st.integers(0, 10**6))
def test_what_is_put_in_comes_out(number: int | str, party: str, wait: int) -> None:
    body = ping(number, party, "tool_denied", "ptx_1", wait)
    (message,) = read_messages(body)[1]
    assert (message.method, set(message.node)) == ("ping", {"jsonrpc", "id", "method"})
    told = carried(message.id)
    assert told is not None
    assert (told.id, told.party, told.code, told.reference) == (
        number,
        party,
        "tool_denied",
        "ptx_1",
    )
    assert type(told.id) is type(number)
    assert (f"again in {wait} s." in told.message) == (wait > 0)


def test_the_longest_id_still_fits() -> None:
    told = carried(json.loads(ping("x" * MAX_ID, "tool", "r" * 40, "ptx_" + "1" * 40, 1))["id"])
    assert told is not None
    assert len(str(told.id)) == MAX_ID


@given(st.text(max_size=60).map(lambda text: "portcullis/1/" + text) | st.text(max_size=20))
def test_any_other_id_is_left_alone(number: str) -> None:
    carried(number)


@pytest.mark.parametrize(
    "number", [None, 1, "", "portcullis/1/", "portcullis/1/W10=", "portcullis/1/WzEsMiwzLDQsNV0="]
)
def test_an_id_that_is_not_ours_means_nothing(number: object) -> None:
    assert carried(number) is None
