"""Paths that no dialect reads: bytes pass, and a body is named as what no rule can read."""

from __future__ import annotations

from gateway.dialects.base import Event, RateLimit, Surface
from gateway.dialects.opaque import Opaque
from gateway.message import Headers, Request

OPAQUE = Opaque()


def test_a_body_cannot_be_read_and_passes_as_it_came() -> None:
    made = OPAQUE.decode(Request("POST", "/v1/files", Headers()), b"\xff{")
    assert [(u.what, u.surface) for u in made.unscannable] == [("body", Surface.USER)]
    made.set_max_output(5)
    made.force_field("store", False)
    made.remove_tools(frozenset({"a"}))
    made.ask_usage()
    assert made.encode() == b"\xff{"
    assert made.input_bound() == -1
    assert made.input_estimate() == 1
    assert made.billable


def test_without_a_body_there_is_nothing_to_judge() -> None:
    made = OPAQUE.decode(Request("GET", "/v1/models", Headers()), b"")
    assert (made.unscannable, made.segments, made.input_bound()) == ([], [], 0)
    assert not made.billable
    assert made.get_field("store") is None


def test_answers_pass() -> None:
    call = OPAQUE.decode(Request("GET", "/v1/models", Headers()), b"")
    answer = OPAQUE.decode_answer(call, b"anything")
    answer.remove_tool_calls(frozenset({"a"}), "")
    answer.replace_arguments("a", "{}")
    assert answer.encode() == b"anything"
    assert answer.usage is None


def test_streams_pass() -> None:
    stream = OPAQUE.open_stream(OPAQUE.decode(Request("GET", "/v1/x", Headers()), b""))
    frame = stream.read(Event(b"data: x\n\n", "", "x"))
    assert frame.parts == []
    assert stream.write(frame) == b"data: x\n\n"
    stream.remove_tool("x", "")
    stream.replace_arguments("x", "{}")
    assert b'"code":"c"' in stream.stop("c", "m")


def test_errors_and_limits_are_openai_s() -> None:
    assert b'"code":"x"' in OPAQUE.error_body(400, "x", "m", "r")
    assert OPAQUE.limit_headers([RateLimit("requests", 1, 1, 1.0)]).items
