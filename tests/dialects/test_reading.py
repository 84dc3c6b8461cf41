"""The walks that readers share leave nothing out and name what they cannot read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.reading import (
    Reader,
    asked_number,
    byte_length,
    mapping,
    objects,
    sample,
    string,
    whole_number,
)


def reader_of(root: Any) -> Reader:
    return Reader(JsonDocument(root, b""))


def texts(reader: Reader) -> list[str]:
    return sorted(segment.text for segment in reader.segments)


def test_a_structure_gives_its_words_but_not_its_ids() -> None:
    root = {"type": "t", "id": "i", "title": "words", "more": [{"url": "u", "status": "s"}, "x"]}
    reader = reader_of(root)
    reader.structure(root, Surface.TOOL_RESULT, "p")
    assert texts(reader) == ["u", "words", "x"]
    assert not reader.unscannable


def test_encrypted_values_pictures_and_data_are_named_not_read() -> None:
    root = {
        "encrypted_content": "abc",
        "picture": {"type": "image", "source": {"data": "xxxx"}},
        "file": "data:application/pdf;base64,AAAA",
        "caption": "c",
    }
    reader = reader_of(root)
    reader.structure(root, Surface.TOOL_RESULT, "p")
    assert texts(reader) == ["c"]
    assert sorted(each.what for each in reader.unscannable) == ["encrypted", "file", "image"]
    assert reader.images == 1
    assert reader.unbounded


def test_a_long_number_is_text() -> None:
    root = {"card": 4111111111111111, "year": 2026}
    reader = reader_of(root)
    reader.structure(root, Surface.TOOL_RESULT, "p")
    assert texts(reader) == ["4111111111111111"]
    reader.segments[0].replace("gone")
    assert root["card"] == "gone"


def test_replacing_marks_the_document_as_changed() -> None:
    root = {"a": ["one", {"b": "two"}]}
    reader = reader_of(root)
    reader.structure(root, Surface.USER, "p")
    for segment in reader.segments:
        segment.replace("#")
    assert root == {"a": ["#", {"b": "#"}]}
    assert reader.document.changed


def test_a_value_of_an_unknown_shape_is_read_and_named() -> None:
    root = {"text": {"deep": "secret"}}
    reader = reader_of(root)
    reader.text(root, "text", Surface.USER, "p")
    assert "secret" in texts(reader)
    assert [each.what for each in reader.unscannable] == ["body"]


def test_an_address_of_a_picture_is_text_and_its_data_is_not() -> None:
    for key, value, read, size in (
        ("url", "https://x.test/a.png", ["https://x.test/a.png"], 0),
        ("image_url", "data:image/png;base64,AAAA", [], 26),
        ("data", "AAAA", [], 4),
    ):
        reader = reader_of(None)
        reader.picture({key: value}, key, Surface.USER, "p")
        assert (texts(reader), reader.media_bytes, reader.images) == (read, size, 1)


def test_names_in_definitions_are_readonly() -> None:
    entry = {"name": "n", "description": "d", "schema": {"properties": {"key": {}}}, "skip": "s"}
    reader = reader_of(entry)
    reader.definition(entry, "tools[0]", frozenset({"name"}), frozenset({"skip"}))
    assert {s.text for s in reader.segments if s.readonly} == {"n"}
    assert {"d", "key"} <= set(texts(reader))
    assert "s" not in texts(reader)
    assert all(segment.surface is Surface.TOOL_DEFINITION for segment in reader.segments)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_string_of_an_unknown_value_is_missed(value: Any) -> None:
    holder = [value]
    reader = reader_of(holder)
    reader.unknown(holder, 0, Surface.USER, "p")
    wanted: set[str] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            wanted.add(node)
        elif isinstance(node, dict):
            wanted.update(node)
            stack.extend(node.values())
        else:
            stack.extend(node)
    assert wanted - {""} <= set(texts(reader))


def test_two_pictures_of_the_same_length_have_other_samples() -> None:
    assert sample("a" * 1000) != sample("b" * 1000)
    assert sample(None) == ""


def test_lengths_are_bytes() -> None:
    root = ["é", "abc"]
    reader = reader_of(root)
    reader.structure(root, Surface.USER, "p")
    assert byte_length(reader.segments) == 5


def test_shapes_that_are_not_there_are_empty() -> None:
    assert (string(3), mapping([]), objects({}), objects([1, {}])) == ("", {}, [], [{}])
    assert (whole_number(-1), whole_number(True), whole_number("3"), whole_number(3)) == (
        0,
        0,
        0,
        3,
    )


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (" 5 ", 5),
        ("5e0", 5),
        ("many", 0),
        ("nan", 0),
        ("inf", 0),
        (float("1e300"), 0),
        (-5, 0),
        (None, 0),
        ([5], 0),
        (True, 0),
    ],
)
def test_a_number_is_what_a_lenient_server_may_take_for_one(value: object, number: int) -> None:
    assert asked_number(value) == number
