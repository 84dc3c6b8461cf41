"""Streamed JSON arrays: nothing is lost, cuts do not matter, what leaves is an array."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.json_array import ARRAY, ArrayEvent, ArrayReader, ArrayWriter
from gateway.dialects.sse import TornEvent
from gateway.errors import UpstreamError

GOOGLES = b'[{\n  "a": "x"\n}\n,\r\n{\n  "b": {"c": "]},[{\\"\\\\"}\n}\n]\n'
TEXT = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(['"', "\\", "{", "}]"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)
ELEMENTS = st.lists(st.dictionaries(TEXT, VALUES, max_size=3), max_size=5)
SPACE = st.text(st.sampled_from(" \t\r\n"), max_size=3)


def read(*pieces: bytes, most: int = 1 << 20) -> list[Event]:
    reader = ArrayReader(most)
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def elements(events: list[Event]) -> list[Any]:
    return [json.loads(event.data) for event in events if event.data]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """An array as somebody may send it: any white space, any escapes."""
    values = draw(ELEMENTS)
    out = draw(SPACE) + "["
    for number, value in enumerate(values):
        out += draw(SPACE) + ("," + draw(SPACE) if number else "")
        out += json.dumps(
            value, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1))
        )
    return (out + draw(SPACE) + "]" + draw(SPACE)).encode(), values


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def test_an_array_as_google_sends_it() -> None:
    events = read(GOOGLES)
    assert elements(events) == [{"a": "x"}, {"b": {"c": ']},[{"\\'}}]
    assert [event.raw[:4] for event in events] == [b"[{\n ", b"\n,\r\n", b"\n]", b"\n"]
    assert [type(event) for event in events] == [ArrayEvent] * 4


def test_an_element_is_given_out_with_its_last_byte() -> None:
    reader = ArrayReader()
    assert reader.feed(b'[{"a":1') == []
    assert [event.data for event in reader.feed(b"}")] == ['{"a":1}']


@settings(max_examples=50)
@given(arrays(), st.lists(st.integers(min_value=0), max_size=6))
def test_cuts_do_not_matter_and_nothing_is_lost(
    array: tuple[bytes, list[Any]], places: list[int]
) -> None:
    raw, values = array
    events = read(raw)
    assert elements(events) == values
    assert b"".join(event.raw for event in events) == raw
    assert read(*cut(raw, places)) == events
    assert read(*(raw[at : at + 1] for at in range(len(raw)))) == events


@given(st.binary(max_size=60), st.lists(st.integers(min_value=0), max_size=4))
def test_any_bytes_are_kept_and_cut_alike(raw: bytes, places: list[int]) -> None:
    events = read(raw)
    assert b"".join(event.raw for event in events) == raw
    assert read(*cut(raw, places)) == events


@given(st.text('[]{},"\\ a', max_size=30), st.lists(st.integers(min_value=0), max_size=4))
def test_broken_arrays_are_kept_and_cut_alike(text: str, places: list[int]) -> None:
    raw = text.encode()
    events = read(raw)
    assert b"".join(event.raw for event in events) == raw
    assert read(*cut(raw, places)) == events


@pytest.mark.parametrize(
    ("raw", "torn"),
    [
        (b'{"error": {}}', b'{"error": {}}'),  # no array
        (b"[1, 2]", b"[1, 2]"),
        (b'[{"a":1} {"b":2}]', b' {"b":2}]'),
        (b'[{"a":1},]', b",]"),
        (b'[{"a":1}]{"b":2}', b'{"b":2}'),
        (b"[[]]", b"[[]]"),
        (b'[{"a":1},{"b":', b',{"b":'),
        (b"plain text", b"plain text"),
    ],
)
def test_what_is_no_array_of_objects_is_one_torn_event(raw: bytes, torn: bytes) -> None:
    last = read(raw)[-1]
    assert type(last) is TornEvent
    assert (last.raw, last.data) == (torn, torn.decode())


def test_an_element_over_the_limit_ends_the_stream_after_those_before_it() -> None:
    reader = ArrayReader(20)
    assert len(reader.feed(b'[{"a":1},{"b":"' + b"x" * 40)) == 1
    with pytest.raises(UpstreamError, match="more than 20 bytes"):
        reader.feed(b'"}]')
    with pytest.raises(UpstreamError):
        read(b'[{"b":"' + b"x" * 40 + b'"}]', most=20)
    with pytest.raises(UpstreamError):
        read(b"[" + b" " * 40, most=20)


@settings(max_examples=50)
@given(arrays(), st.data())
def test_what_leaves_is_an_array_whatever_is_dropped_changed_or_added(
    array: tuple[bytes, list[Any]], data: st.DataObject
) -> None:
    raw, _ = array
    writer = ArrayWriter()
    out, expected = b"", []
    touched = False
    for event in read(raw):
        assert isinstance(event, ArrayEvent)
        act = (
            data.draw(st.sampled_from(["keep", "drop", "change", "add"])) if event.data else "keep"
        )
        touched = touched or act != "keep"
        if act == "add":
            out += writer.add(b'{"new":1}')
            expected.append({"new": 1})
        if act in ("keep", "add"):
            out += writer.keep(event)
            expected += elements([event])
        elif act == "change":
            out += writer.add(b'{"other":1}')
            expected.append({"other": 1})
    assert json.loads(out) == expected
    assert touched or out == raw


@settings(max_examples=30)
@given(arrays(), st.integers(min_value=0, max_value=5))
def test_an_array_that_is_stopped_is_closed_once(
    array: tuple[bytes, list[Any]], count: int
) -> None:
    writer = ArrayWriter()
    out = b""
    for event in read(array[0])[:count]:
        assert isinstance(event, ArrayEvent)
        if event.data:
            out += writer.keep(event)
    out += writer.add(b'{"error":1}') + writer.close() + writer.close()
    assert json.loads(out)[-1] == {"error": 1}


def test_what_keeps_the_connection_alive_may_stand_anywhere() -> None:
    raw = b"\n".join(event.raw for event in read(GOOGLES)) + ARRAY.keep_alive
    assert json.loads(raw) == json.loads(GOOGLES)
    assert elements(read(raw)) == json.loads(GOOGLES)
