"""Streams of HTTP tools: each event is read by itself, and only a changed one is written anew."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.http_tool_stream import FRAMINGS, HttpToolStream
from gateway.dialects.ndjson import NDJSON
from gateway.dialects.sse import EventReader


def rewritten(raw: bytes, *, lines: bool = False) -> bytes:
    """The stream with `secret` replaced by `x`."""
    stream = HttpToolStream(lines=lines)
    reader = (NDJSON.reader if lines else EventReader)()
    out = []
    for event in [*reader.feed(raw), *reader.end()]:
        answer = stream.read(event)
        if answer is None:
            out.append(event.raw)
            continue
        for segment in answer.segments:
            if "secret" in segment.text:
                segment.replace(segment.text.replace("secret", "x"))
        out.append(stream.write(event, answer))
    return b"".join(out)


@given(
    pieces=st.lists(
        st.sampled_from(
            [b"data: {}", b"data: a", b": hm", b"id: 1", b"\n", b"\n\n", b"\r\n", b"\xff"]
        )
    ),
    lines=st.booleans(),
)
def test_what_is_not_touched_leaves_byte_for_byte(pieces: list[bytes], lines: bool) -> None:
    raw = b"".join(pieces)
    assert rewritten(raw, lines=lines) == raw


def test_of_a_changed_event_only_the_data_is_written_anew() -> None:
    raw = b": hm\nevent: note\nid: 7\nretry: 10\ndata: a\ndata: secret\n\n: ping\n\n"
    expected = b": hm\nevent: note\nid: 7\nretry: 10\ndata: a\ndata: x\n\n: ping\n\n"
    assert rewritten(raw) == expected
    json_event = b'id: 8\r\ndata: {"a": "\\u0073ecret"}\r\n\r\n'
    assert rewritten(json_event) == b'id: 8\ndata: {"a":"x"}\n\n'


def test_of_changed_lines_the_others_stay() -> None:
    raw = b'{"a": 1}\r\n\n{"a": "secret"}\n["secret"]'
    assert rewritten(raw, lines=True) == b'{"a": 1}\r\n\n{"a":"x"}\n["x"]\n'


def test_an_event_that_is_stopped_is_replaced_by_one_that_says_so() -> None:
    event = Event(b"data: secret\n\n", "", "secret")
    told = HttpToolStream().refuse(event, "pii_found", "No.\nReally.")
    [error] = EventReader().feed(told)
    assert error.name == "error"
    assert json.loads(error.data) == {"error": {"message": "No.\nReally.", "code": "pii_found"}}
    line = HttpToolStream(lines=True).refuse(event, "pii_found", "No.")
    assert json.loads(line)["error"]["code"] == "pii_found"
    assert line.endswith(b"}\n")


@pytest.mark.parametrize(
    ("raw", "count"), [(b"data: \xff\n\n", 1), ("data: \ufffd\n\n".encode(), 0)]
)
def test_bytes_that_are_no_text_are_unscannable(raw: bytes, count: int) -> None:
    [event] = EventReader().feed(raw)
    answer = HttpToolStream().read(event)
    assert answer is not None
    assert len(answer.unscannable) == count


def test_lines_of_json_are_told_by_their_media_type() -> None:
    assert FRAMINGS["application/x-ndjson"] is NDJSON
    assert "application/json" not in FRAMINGS
