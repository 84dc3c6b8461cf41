"""What a server sends: read whole, rewritten where rules say, its tools taken out one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.mcp_answer import McpAnswer, McpText, read_body
from tests.dialects.mcp_samples import answer, result, text, texts


def test_what_no_rule_changed_goes_as_it_came() -> None:
    raw = b' {"jsonrpc":"2.0", "id":1,"result":{"content":[]}}\n'
    assert answer(raw).encode() == raw


def test_a_text_is_replaced_where_it_stood() -> None:
    told = answer(result({"content": [text("a secret")], "isError": True}))
    (segment,) = told.segments
    assert (segment.surface, segment.text) == (Surface.TOOL_RESULT, "a secret")
    segment.replace("gone")
    assert json.loads(told.encode())["result"] == {"content": [text("gone")], "isError": True}


def test_structured_content_and_its_text_are_rewritten_alike() -> None:
    said = {"people": [{"mail": "a@b.c", "note": 'say "hi"'}]}
    told = answer(result({"content": [text(json.dumps(said))], "structuredContent": said}))
    for segment in told.segments:
        if segment.text == "a@b.c":
            segment.replace("<MAIL>")
    got = json.loads(told.encode())["result"]
    assert got["structuredContent"]["people"][0]["mail"] == "<MAIL>"
    assert json.loads(got["content"][0]["text"]) == got["structuredContent"]


def test_tools_are_taken_out_with_their_words() -> None:
    tools = [{"name": name, "description": f"about {name}"} for name in "abca"]
    told = answer(result({"tools": tools, "nextCursor": "x", "_meta": {"k": 1}}))
    assert [tool.name for tool in told.offers] == ["a", "b", "c", "a"]
    told.remove_offers(frozenset({"a", "zzz"}))
    assert [tool.name for tool in told.offers] == ["b", "c"]
    assert [said for _, said in texts(told)] == ["b", "about b", "c", "about c"]
    assert json.loads(told.encode())["result"] == {
        "tools": tools[1:3],
        "nextCursor": "x",
        "_meta": {"k": 1},
    }


def test_tools_are_taken_out_of_every_answer_of_a_batch() -> None:
    told = answer([result({"tools": [{"name": "a"}]}, 1), result({"tools": [{"name": "a"}]}, 2)])
    told.remove_offers(frozenset({"a"}))
    assert [each["result"]["tools"] for each in json.loads(told.encode())] == [[], []]


def test_what_stands_beside_a_message_hides_neither() -> None:
    told = answer([result({"tools": [{"name": "a"}]}), 7, ["b"]])
    assert [tool.name for tool in told.offers] == ["a"]
    assert (Surface.TOOL_RESULT, "b") in texts(told)


def test_of_a_key_twice_the_caller_gets_the_one_that_rules_read() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]},"result":{"content":[{"a":"b"}]}}'
    told = answer(raw)
    assert json.loads(told.encode())["result"] == {"content": [{"a": "b"}]}
    assert told.encode().count(b"result") == 1


@pytest.mark.parametrize("raw", [b"Not Found", b"<html>no</html>", b'"no"', b"7"])
def test_what_is_no_json_rpc_is_one_text(raw: bytes) -> None:
    told = read_body(raw)
    assert type(told) is McpText
    assert told.encode() == raw
    (segment,) = told.segments
    segment.replace("gone")
    assert told.encode() == b"gone"


def test_json_of_another_shape_is_read_leaf_by_leaf() -> None:
    told = read_body(b'{"error": "invalid_token", "error_description": "no such user"}')
    assert type(told) is McpAnswer
    assert {said for _, said in texts(told)} >= {"invalid_token", "no such user"}
    other = read_body(b'{"detail": ["x"]}')
    assert (Surface.TOOL_RESULT, "x") in texts(other)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00",
        '{"a": 1}'.encode("utf-16-le"),
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"[" * 5000 + b"]" * 5000,
        b"[NaN," + b"[" * 300 + b"]" * 301,
    ],
    ids=["bytes", "utf-16", "deep", "very deep", "deep with NaN"],
)
def test_what_cannot_be_read_to_its_end_is_not_taken_for_a_text(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"utf-8|not text|deep"):
        read_body(raw)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_json_that_only_some_clients_take_is_read_as_json(mark: bytes) -> None:
    """And leaves as what all of them take, so that none reads what the rules did not."""
    whole = b'{"jsonrpc":"2.0","id":1,"result":{"size":NaN,"tools":[{"name":"\\u0061"}]}}'
    told = read_body(mark + whole)
    assert [tool.name for tool in told.offers] == ["a"]
    told.remove_offers(frozenset({"a"}))
    assert json.loads(told.encode())["result"]["tools"] == []


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("jsonrpc id method params result error tools name content x".split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_a_value_error(raw: bytes) -> None:
    try:
        told: Any = read_body(raw)
    except ValueError:
        return
    changed = told.document.changed
    assert changed or told.encode() == raw
    told.remove_offers(frozenset({"", "a"})) if type(told) is McpAnswer else None
    for segment in told.segments:
        segment.replace("[gone]")
    told.encode()
