"""What the structures of MCP hold, and what of them is no text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.mcp_reading import McpReader
from tests.dialects.mcp_samples import text


def read(result: Any) -> McpReader:
    node = {"jsonrpc": "2.0", "id": 1, "result": result}
    reader = McpReader(JsonDocument(node, b""))
    reader.server_message(node, "")
    return reader


def words(result: Any) -> list[str]:
    return [segment.text for segment in read(result).segments]


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ({"content": [{"type": "image", "data": "AA"}]}, "image"),
        ({"content": [{"type": "audio", "data": "AA"}]}, "audio"),
        ({"content": [{"type": "resource", "resource": {"uri": "a", "blob": "AA"}}]}, "file"),
        ({"contents": [{"uri": "a", "blob": "AA", "mimeType": "image/png"}]}, "image"),
        ({"contents": [{"uri": "a", "blob": "AA", "mimeType": "application/pdf"}]}, "file"),
        ({"content": [{"type": "hologram", "data": 7}]}, "body"),
        ({"content": [7]}, "body"),
        ({"content": 7}, "body"),
        ({"tools": {}}, "body"),
        ({"tools": [7]}, "body"),
        ({"messages": 7}, "body"),
        ({"tools": [{"name": "a", "icons": [{"src": "data:image/png;base64,AA"}]}]}, "image"),
    ],
)
def test_what_no_rule_reads_is_named(result: Any, what: str) -> None:
    reader = read(result)
    assert [item.what for item in reader.unscannable] == [what]
    assert "AA" not in [segment.text for segment in reader.segments]


def test_figures_dates_and_ids_of_the_format_are_no_text() -> None:
    """A size of seven digits is no phone number, and a rule must not turn it into a word."""
    listed = {"uri": "a:b", "name": "a", "size": 12345678, "annotations": {"lastModified": "x"}}
    task = {"taskId": "t", "ttl": 9_000_000, "pollInterval": 5_000_000, "createdAt": "2026"}
    told = {
        "resources": [listed],
        "task": task,
        "nextCursor": "quokka",
        "ttlMs": 86_400_000,
        "_meta": {"a": "quokka"},
        "completion": {"values": [], "total": 10_000_000},
    }
    assert words(told) == ["a", "a:b"]


def test_a_long_number_in_what_a_tool_gave_is_text() -> None:
    assert "4111111111111111" in words({"structuredContent": {"card": 4111111111111111}})


def test_words_of_a_schema_are_not_read_but_those_of_its_author_are() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "Which."}}}
    tool = {"name": "a", "inputSchema": schema, "annotations": {"readOnlyHint": True}}
    assert sorted(words({"tools": [tool]})) == ["Which.", "a", "city"]


def test_an_icons_address_is_text() -> None:
    assert "https://a.example/i.png" in words(
        {"prompts": [{"name": "a", "icons": [{"src": "https://a.example/i.png"}]}]}
    )


def test_a_name_by_which_something_is_asked_for_is_never_rewritten() -> None:
    reader = read({"tools": [{"name": "a"}], "prompts": [{"name": "b"}]})
    assert [(s.text, s.readonly) for s in reader.segments] == [("a", True), ("b", True)]


def test_offers_know_their_own_words() -> None:
    tools = [{"name": "a", "description": "one"}, {"name": "b", "description": "two"}]
    reader = read({"tools": tools})
    offered = [(tool.name, [s.text for s in tool.texts]) for tool, _ in reader.offers]
    assert offered == [("a", ["a", "one"]), ("b", ["b", "two"])]


def test_tools_for_the_clients_model_are_definitions_but_not_offered() -> None:
    params = {"messages": [], "tools": [{"name": "a", "description": "one"}]}
    reader = McpReader(JsonDocument(params, b""))
    reader.server_request("sampling/createMessage", params)
    assert [s.surface for s in reader.segments] == [Surface.TOOL_DEFINITION] * 2
    assert reader.offers == []


def test_json_that_is_said_twice_is_read_in_the_same_way() -> None:
    """So a rule puts the same in its place, whatever stands around it."""
    reader = read({"content": [text('{"mail": "a@b.c"}')], "structuredContent": {"mail": "a@b.c"}})
    assert sorted(s.text for s in reader.segments) == ["a@b.c", "a@b.c", "mail", "mail"]
    alone = read({"content": [text('{"mail": "a@b.c"}')]})
    assert [s.text for s in alone.segments] == ['{"mail": "a@b.c"}']


WORD = "quokka"
FIELDS = (
    "content type text resource resources tools messages contents name icons task tasks src "
    "structuredContent inputRequests completion role annotations prompts params instructions"
)
TYPES = st.sampled_from(["text", "image", "resource", "tool_result", "tool_use", "resource_link"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(WORD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS.split()), inner | TYPES, max_size=5)
    ),
    max_leaves=12,
)


def count(value: Any) -> int:
    """How often the word stands where it is no closed word of the format."""
    if isinstance(value, dict):
        return sum(count(each) for key, each in value.items() if key not in ("type", "role"))
    if isinstance(value, list):
        return sum(map(count, value))
    return int(value == WORD)


@given(VALUES)
def test_every_text_is_read_whatever_it_stands_in(value: Any) -> None:
    assert words(value).count(WORD) >= count(value)
