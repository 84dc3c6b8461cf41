"""The trace in MCP's `_meta`: read, written and taken out, and nothing else touched."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.dialects import mcp_meta
from gateway.dialects.jsonrpc import Kind, Message

HERE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
THERE = "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01"


def message(params: Any = None, kind: Kind = Kind.REQUEST) -> Message:
    node = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    if params is not None:
        node["params"] = params
    return Message(node, kind, 1, "tools/list")


def test_the_context_is_that_of_the_first_message_that_has_one() -> None:
    said = {"traceparent": HERE, "tracestate": "a=1", "baggage": "b=2", "progressToken": 3}
    messages = [message(), message({"_meta": {"x": 1}}), message({"_meta": said})]
    assert mcp_meta.context(messages) == {
        "traceparent": HERE,
        "tracestate": "a=1",
        "baggage": "b=2",
    }


@pytest.mark.parametrize("meta", [None, [], "x", {"traceparent": 1}, {"tracestate": "a=1"}])
def test_what_is_no_context_gives_none(meta: Any) -> None:
    assert mcp_meta.context([message({"_meta": meta})]) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"_meta": {"traceparent": THERE}}),
        ({"name": "a"}, {"name": "a", "_meta": {"traceparent": THERE}}),
        (
            {"_meta": {"traceparent": HERE, "tracestate": "a=1", "baggage": "b=2", "x": 1}},
            {"_meta": {"traceparent": THERE, "baggage": "b=2", "x": 1}},
        ),
        ([1], [1]),
        ({"_meta": 3}, {"_meta": 3}),
    ],
)
def test_a_context_is_written_where_there_is_a_place_for_it(before: Any, after: Any) -> None:
    asked, expected = message(copy.deepcopy(before)), before != after
    written = mcp_meta.carry([asked], THERE, "")
    assert asked.node["params"] == after
    assert written == ({0: after["_meta"]} if expected else {})


def test_the_state_goes_along_with_its_trace() -> None:
    asked = message({})
    mcp_meta.carry([asked], THERE, "a=1")
    assert asked.node["params"]["_meta"] == {"traceparent": THERE, "tracestate": "a=1"}


def test_an_answer_to_the_server_is_left_alone() -> None:
    answer = Message({"jsonrpc": "2.0", "id": 1, "result": {}}, Kind.RESULT, 1)
    assert not mcp_meta.carry([answer], THERE, "")
    assert answer.node == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_what_is_dropped_is_the_context_and_nothing_else() -> None:
    asked = message({"_meta": {"traceparent": HERE, "baggage": "b=2", "x": 1}})
    assert mcp_meta.drop([message(), asked]) == {1: {"x": 1}}
    assert asked.node["params"] == {"_meta": {"x": 1}}
    assert not mcp_meta.drop([asked])
