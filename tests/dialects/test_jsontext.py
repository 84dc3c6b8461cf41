"""JSON inside strings: whatever a parser could make of it is seen, and written back once."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Segment, Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.jsontext import EmbeddedDocument, JsonText, text_segments, unescape


def open_text(text: str) -> tuple[JsonDocument, list[Segment]]:
    document = JsonDocument({"arguments": text}, b"raw")
    found = text_segments(document, document.root, "arguments", Surface.TOOL_CALL, "here")
    return document, found


def test_what_is_not_touched_keeps_its_bytes() -> None:
    document, segments = open_text('{ "a": "x" }')
    assert [s.text for s in segments] == ["x", "a"]
    assert document.encode() == b"raw"


def test_a_change_is_written_into_the_outer_string() -> None:
    document, segments = open_text('{"to": "a@b.example", "n": [4111111111111111]}')
    for segment in segments:
        if segment.text in ("a@b.example", "4111111111111111"):
            segment.replace("gone")
    inner = orjson.loads(orjson.loads(document.encode())["arguments"])
    assert inner == {"to": "gone", "n": ["gone"]}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_all_strings_are_found_however_they_are_escaped(value: dict[str, str]) -> None:
    text = "".join(f"\\u{ord(c):04x}" if c.isalnum() and ord(c) < 0xFFFF else c for c in "secret")
    _, segments = open_text('{"k": "' + text + '", "v": ' + json.dumps(value) + "}")
    texts = {s.text for s in segments}
    assert {"secret"} | set(value) - {""} <= texts


def test_a_value_that_a_duplicate_key_hides_is_seen_and_a_change_removes_it() -> None:
    document, segments = open_text('{"a":"first","a":{"b":"x","b":"y"},"a":"last","c":"z"}')
    assert {"first", "last", "x", "y", "z", "a", "b", "c"} == {s.text for s in segments}
    next(s for s in segments if s.text == "first").replace("gone")
    assert orjson.loads(orjson.loads(document.encode())["arguments"]) == {"a": "last", "c": "z"}


@pytest.mark.parametrize("text", ["rm -rf /", '"a"', "12", '{"a": ', "[1", "null"])
def test_what_is_no_json_is_one_text(text: str) -> None:
    document, segments = open_text(text)
    assert segments[0].text == text
    segments[0].replace("gone")
    assert orjson.loads(document.encode()) == {"arguments": "gone"}


def test_broken_json_is_also_read_with_its_escapes_undone() -> None:
    document, segments = open_text('{"a": "\\u0041KIA\\/x')
    assert [s.text for s in segments] == ['{"a": "\\u0041KIA\\/x', '{"a": "AKIA/x']
    segments[1].replace("gone")
    assert orjson.loads(document.encode()) == {"arguments": "gone"}


def test_free_text_with_a_backslash_is_read_as_it_is() -> None:
    assert [s.text for s in open_text("print('\\n')")[1]] == ["print('\\n')"]


@pytest.mark.parametrize("text", ["", "{}"])
def test_nothing_in_it_is_nothing_to_read(text: str) -> None:
    assert open_text(text)[1] == []


def test_a_number_beyond_64_bits_is_read_digit_by_digit() -> None:
    document, segments = open_text('{"n": 123456789012345678901234567890, "m": "x"}')
    assert "123456789012345678901234567890" in {s.text for s in segments}
    next(s for s in segments if s.text == "x").replace("gone")
    assert b"123456789012345678901234567890" in document.encode()


def test_too_deep_is_no_document() -> None:
    deep = "[" * 300 + "]" * 300
    with pytest.raises(ValueError):
        EmbeddedDocument(JsonDocument([deep], b""), [deep], 0, deep)
    assert [s.text for s in open_text(deep)[1]] == [deep]


def test_a_second_change_after_a_flush_is_written_too() -> None:
    document, segments = open_text('{"a":"x","b":"y"}')
    segments[0].replace("1")
    document.flush()
    segments[2].replace("2")
    assert orjson.loads(orjson.loads(document.encode())["arguments"]) == {"a": "1", "b": "2"}


def test_a_text_that_stands_alone() -> None:
    text = JsonText('{"a": "x"}')
    segments = text.segments(Surface.TOOL_CALL, "tool")
    assert not text.changed
    assert text.text == '{"a": "x"}'
    segments[0].replace("gone")
    assert text.changed
    assert text.text == '{"a":"gone"}'


@given(st.text())
def test_escapes_are_undone_as_json_does(text: str) -> None:
    assert unescape(json.dumps(text)[1:-1]) == text


def test_a_lone_surrogate_reads_as_a_replacement() -> None:
    assert unescape("\\ud800x\\ud83d\\ude00") == "\ufffdx😀"
