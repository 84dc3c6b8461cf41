"""Lines of JSON: each line for itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.jsondoc import parse_object
from gateway.dialects.jsonlines import Lines
from gateway.errors import CallerError

RAW = b'{"a": 1}\r\n\n  {"b":  "x"}\n{"c":3}'


def test_lines_are_numbered_as_an_editor_does_and_empty_ones_skipped() -> None:
    lines = Lines(RAW)
    assert [(number, line.root) for number, line in lines.read(parse_object)] == [
        (1, {"a": 1}),
        (3, {"b": "x"}),
        (4, {"c": 3}),
    ]
    assert lines.encode() == RAW


def test_only_a_changed_line_is_written_anew() -> None:
    lines = Lines(RAW)
    first, second, _ = lines.read_all()
    second.root["b"] = "y"
    second.touch()
    assert lines.changed
    assert lines.encode() == b'{"a": 1}\r\n\n{"b":"y"}\n{"c":3}'
    first.root["a"] = 2
    first.touch()
    assert lines.encode().startswith(b'{"a":2}\r\n')


def test_the_line_that_cannot_be_read_is_known() -> None:
    lines = Lines(b'{"a": 1}\n{"a": 1, "a": 2}\n')
    with pytest.raises(CallerError):
        list(lines.read(parse_object))
    assert lines.at == 2


def test_an_answer_with_a_line_that_is_no_object_is_no_answer() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        Lines(b'{"a": 1}\n[2]\n').read_all()


@given(st.binary(max_size=300))
def test_bytes_that_nobody_changed_stay(raw: bytes) -> None:
    lines = Lines(raw)
    try:
        lines.read_all()
    except ValueError:
        return
    assert lines.encode() == raw
    lines.touch()
    assert lines.encode() == raw
