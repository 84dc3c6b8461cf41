"""Streamed calls: arguments in pieces become what a client would make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Part, PartKind, ToolCall
from gateway.dialects.gemini_calls import MOST_ITEMS, StreamedCall, StreamedCandidate
from gateway.errors import UpstreamError


def piece(path: str, value: Any = None, *, more: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"jsonPath": path}
    if isinstance(value, bool):
        made["boolValue"] = value
    elif isinstance(value, str):
        made["stringValue"] = value
    elif value is None:
        made["nullValue"] = "NULL_VALUE"
    else:
        made["numberValue"] = value
    return {**made, "willContinue": True} if more else made


def tree(*pieces: dict[str, Any]) -> Any:
    call = StreamedCall("lane", ToolCall("", "f", ""))
    call.take({"partialArgs": list(pieces)})
    return call.tree


def feed(*inners: dict[str, Any]) -> list[Part]:
    state = StreamedCandidate("c0")
    parts: list[Part] = []
    for inner in inners:
        state.read({"functionCall": inner}, parts)
    return parts


def said(parts: list[Part]) -> list[tuple[str, str]]:
    return [(part.kind.value, part.text) for part in parts]


def test_pieces_of_a_text_are_joined_and_other_values_put_in_their_place() -> None:
    assert tree(
        piece("$.a", "Bos", more=True),
        piece("$.a", "ton", more=True),
        piece("$.a", ""),
        piece("$.list[0].x", 0.5),
        piece("$.list[1].x", True),
        piece("$.list[1].y"),
        piece("$['odd name']", "o"),
        piece('$.deep["k"][2]', "z"),
    ) == {
        "a": "Boston",
        "list": [{"x": 0.5}, {"x": True, "y": None}],
        "odd name": "o",
        "deep": {"k": [None, None, "z"]},
    }


@pytest.mark.parametrize(
    "path",
    ["", "$", "$[0]", "$..", "$.a[", f"$.a[{MOST_ITEMS + 1}]", "$.a[999999999999]", "$.a[x]"],
)
def test_a_path_that_cannot_be_followed_hides_nothing(path: str) -> None:
    found = tree(piece("$.a", "b"), piece(path, "secret"))
    assert "secret" in json.dumps(found)


def test_a_structure_and_a_value_at_one_place_hide_nothing_that_stands_last() -> None:
    assert tree(piece("$.a", "x"), piece("$.a.b", "y")) == {"a": {"b": "y"}}
    assert tree(piece("$.a.b", "x"), piece("$.a[0]", "y")) == {"a": {"b": "x"}, "$.a[0]": "y"}


JSON = st.recursive(
    st.text(max_size=6) | st.booleans() | st.none() | st.floats(0, 9),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def pieces_of(node: Any, path: str, size: int) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [p for key, value in node.items() for p in pieces_of(value, f"{path}.{key}", size)]
    if isinstance(node, list):
        return [p for n, value in enumerate(node) for p in pieces_of(value, f"{path}[{n}]", size)]
    if isinstance(node, str):
        cut = [node[at : at + size] for at in range(0, len(node), size)]
        return [*(piece(path, text, more=True) for text in cut), piece(path, "")]
    return [piece(path, node)]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON, max_size=3), st.integers(1, 4))
def test_whatever_the_pieces_the_arguments_are_the_same(args: Any, size: int) -> None:
    assert tree(*pieces_of(args, "$", size)) == args


def test_a_call_in_pieces_is_complete_with_the_first_that_goes_no_further() -> None:
    parts = feed(
        {"name": "f", "willContinue": True},
        {"partialArgs": [piece("$.a", "b")], "willContinue": True},
        {},
    )
    assert said(parts) == [
        ("tool_start", ""),
        ("tool_args", ""),
        ("tool_args", ""),
        ("tool_args", ""),
        ("tool_args", '{"a":"b"}'),
        ("tool_end", ""),
    ]


def test_a_whole_call_is_complete_at_once_and_an_end_behind_it_says_nothing() -> None:
    parts = feed({"name": "f", "args": {"a": 1}}, {}, {"willContinue": False})
    assert said(parts) == [
        ("tool_start", ""),
        ("tool_args", ""),
        ("tool_args", '{"a":1}'),
        ("tool_end", ""),
    ]


def test_the_next_call_completes_one_that_nobody_ended() -> None:
    parts = feed({"name": "f", "willContinue": True}, {"name": "g", "args": {}})
    assert [part.lane for part in parts if part.kind is PartKind.TOOL_END] == [
        "c0/tool/0",
        "c0/tool/1",
    ]


def test_arguments_behind_a_complete_call_break_the_stream() -> None:
    with pytest.raises(UpstreamError, match="went on with a tool call"):
        feed({"name": "f", "args": {}}, {"partialArgs": [piece("$.a", "b")]})


def test_arguments_without_any_name_are_a_call_without_one() -> None:
    (start, *_) = feed({"partialArgs": [piece("$.a", "b")]})
    assert start.tool is not None
    assert start.tool.name == ""


def test_endless_arguments_are_not_kept() -> None:
    call = StreamedCall("lane", ToolCall("", "f", ""))
    for _ in range(20):
        call.take({"partialArgs": [piece("$.a", "x" * (1 << 20), more=True)]})
    assert len(call.tree["a"]) <= 8 << 20
