"""Queries and forms: every name and value is seen; what is not touched stays as it was written."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Document, Surface
from gateway.dialects.http_tool_pairs import MOST_PAIRS, PairsDocument
from gateway.errors import CallerError
from gateway.verdict import Reason

WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def texts(written: str) -> list[str]:
    found = PairsDocument(written).segments(Surface.TOOL_CALL, "parameters")
    return [segment.text for segment in found]


@given(written=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_any_query_leaves_as_it_came(written: str) -> None:
    document = PairsDocument(written)
    document.segments(Surface.TOOL_CALL, "parameters")
    assert document.text == written
    assert document.encode() == written.encode()


@given(pairs=st.lists(st.tuples(WORD, WORD), max_size=6))
def test_what_a_form_says_is_seen(pairs: list[tuple[str, str]]) -> None:
    seen = set(texts(urlencode(pairs)))
    for name, value in pairs:
        assert not name or name in seen
        assert not value.strip() or value in seen or value[0] in '"[{' or "&" in value


@given(pairs=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=6), value=WORD)
def test_a_rewritten_value_reads_as_what_was_put_there(
    pairs: list[tuple[str, str]], value: str
) -> None:
    document = PairsDocument(urlencode(pairs))
    document.root[-1][1] = value
    document.touch()
    expected = [*pairs[:-1], (pairs[-1][0], value)]
    assert parse_qsl(document.text, keep_blank_values=True) == expected


def test_only_the_pair_that_was_changed_is_written_anew() -> None:
    document = PairsDocument("a=%41&b=is+secret&b&=x&c=%zz")
    for segment in document.segments(Surface.TOOL_CALL, "parameters"):
        if "secret" in segment.text:
            segment.replace("is [x]")
    assert document.text == "a=%41&b=is+%5Bx%5D&b&=x&c=%zz"


def test_json_in_a_value_is_read_by_its_leaves() -> None:
    document = PairsDocument("payload=%7B%22a%22%3A%22%5Cu0073ecret%22%7D")
    found = document.segments(Surface.TOOL_CALL, "parameters")
    secret = next(segment for segment in found if segment.text == "secret")
    secret.replace("x")
    assert document.encode() == b"payload=%7B%22a%22%3A%22x%22%7D"
    assert document.view() == [["payload", '{"a":"x"}']]


def test_what_belongs_to_something_larger_tells_it_of_a_change() -> None:
    outer = Document(None, b"")
    PairsDocument("a=b", outer).segments(Surface.TOOL_CALL, "parameters")[0].replace("x")
    assert outer.changed


def test_more_fields_than_a_tool_takes_are_refused() -> None:
    PairsDocument("&" * (MOST_PAIRS - 1))
    with pytest.raises(CallerError) as caught:
        PairsDocument("&" * MOST_PAIRS)
    assert caught.value.reason is Reason.BODY_MALFORMED
