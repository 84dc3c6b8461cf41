"""Text bodies: charsets, JSON in them, entities, lines; untouched they are their own bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import http_tool_text
from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.http_tool_text import TextDocument, read_text, text_codec

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def read(
    body: bytes, codec: str = "utf-8", *, lines: bool = False
) -> tuple[TextDocument, list[Segment]]:
    return read_text(body, codec, Surface.TOOL_RESULT, "body", lines=lines)


def replaced(
    body: bytes, old: str, new: str, codec: str = "utf-8", *, lines: bool = False
) -> bytes:
    document, segments = read(body, codec, lines=lines)
    for segment in segments:
        if old in segment.text:
            segment.replace(segment.text.replace(old, new))
    return document.encode()


@pytest.mark.parametrize(
    ("charset", "narrow", "wide"),
    [
        ("", "utf-8", "utf-8"),
        ("UTF-8", "utf-8", "utf-8"),
        ("us-ascii", "ascii", "ascii"),
        ("latin1", "iso8859-1", "iso8859-1"),
        ("windows-1252", "cp1252", "cp1252"),
        ("utf-16le", None, "utf-16-le"),
        ("shift_jis", None, "shift_jis"),
        ("utf-7", None, None),
        ("rot13", None, None),
        ("unicode_escape", None, None),
        ("?", None, None),
        ("x\0y", None, None),
    ],
)
def test_only_charsets_are_read_that_have_one_meaning(
    charset: str, narrow: str | None, wide: str | None
) -> None:
    assert text_codec(charset, wide=False) == narrow
    assert text_codec(charset, wide=True) == wide


@given(text=TEXT, lines=st.booleans())
def test_what_is_not_touched_is_its_own_bytes(text: str, lines: bool) -> None:
    document, _ = read(text.encode(), lines=lines)
    assert document.encode() == text.encode()
    assert document.text == text


@given(
    value=st.recursive(TEXT, lambda inner: st.dictionaries(TEXT, inner, max_size=3), max_leaves=5)
)
def test_all_that_json_says_is_seen_however_it_is_written(value: object) -> None:
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        _, segments = read(body.encode())
        seen = {segment.text for segment in segments}
        assert strings_of(value) <= seen


def strings_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return {key for key in value if key}.union(*map(strings_of, value.values()))
    return {value} if isinstance(value, str) and value else set()


def test_json_is_written_anew_where_it_was_changed() -> None:
    body = b'{"a": "\\u0073ecret", "n": 12345678901234567890, "b": [1.50]}'
    assert replaced(body, "secret", "x") == b'{"a":"x","n":12345678901234567890,"b":[1.5]}'


def test_a_json_text_keeps_its_quotes() -> None:
    assert replaced(b'"a secret"', "secret", 'of "x"') == b'"a of \\"x\\""'
    assert read(b'""')[1] == []


def test_what_looks_like_json_and_is_none_is_read_as_text() -> None:
    assert [s.text for s in read(b'"open')[1]] == ['"open']
    assert "secret" in [s.text for s in read(b'{"a": "\\u0073ecret"')[1]][1]


def test_a_byte_order_mark_hides_no_json() -> None:
    assert replaced(b'\xef\xbb\xbf{"a":"\\u0073ecret"}', "secret", "x") == b'\xef\xbb\xbf{"a":"x"}'


@pytest.mark.parametrize(
    "body", ["<a>s&#101;cret</a>", "<a>s&#x65;cret</a>", "<a>&#115ecret</a>", "s&#0101;cret"]
)
def test_entities_hide_no_letters(body: str) -> None:
    assert "secret" not in replaced(body.encode(), "secret", "x").decode()
    assert "&#" not in replaced(body.encode(), "secret", "x").decode()


def test_entities_that_markup_needs_stay_when_others_are_undone() -> None:
    body = "<a>&lt;b&gt; &amp;amp; &quot;&#38;&nbsp;s&#101;cret &unknown; &#60;</a>"
    changed = replaced(body.encode(), "secret", "x").decode()
    assert changed == "<a>&lt;b&gt; &amp;amp; &quot;&#38;&nbsp;x &unknown; &#60;</a>"


@pytest.mark.parametrize(
    "body", ["cb({'a': 's\\u0065cret'})", ')]}\',\n{"a": "s\\x65cret"}', 'a: "\\u0073ecret"']
)
def test_escapes_of_scripts_hide_no_letters(body: str) -> None:
    assert replaced(body.encode(), "secret", "x").decode() == (
        body.replace("s\\u0065cret", "x").replace("s\\x65cret", "x").replace("\\u0073ecret", "x")
    )


def test_escapes_that_a_script_needs_stay() -> None:
    body = "cb('\\u0027 \\x5c \\u000a \\ud83d s\\u0065cret')"
    assert replaced(body.encode(), "secret", "x") == b"cb('\\u0027 \\x5c \\u000a \\ud83d x')"


def test_a_changed_text_is_written_in_its_own_charset() -> None:
    assert replaced("é secret".encode("latin-1"), "secret", "ü", "latin-1") == "é ü".encode(
        "latin-1"
    )
    assert replaced("secret".encode("utf-16-le"), "secret", "ü", "utf-16-le") == "ü".encode(
        "utf-16-le"
    )
    assert replaced(b"secret", "secret", "\u20ac", "ascii") == b"?"


def test_lines_are_read_one_by_one_and_only_the_changed_one_is_written_anew() -> None:
    body = b'{"a": "fine"}\r\n\n{"a": "\\u0073ecret"}\nsecret'
    assert replaced(body, "secret", "x", lines=True) == b'{"a": "fine"}\r\n\n{"a":"x"}x'


def test_more_lines_than_anybody_reads_are_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_tool_text, "MOST_LINES", 2)
    document, segments = read(b"a\nb\nc\n", lines=True)
    assert [segment.text for segment in segments] == ["a\nb\nc\n"]
    assert document.encode() == b"a\nb\nc\n"


def test_bytes_that_are_no_text_of_the_charset_are_refused() -> None:
    with pytest.raises(ValueError, match="codec"):
        read(b"\xff\xfe")


def test_a_part_tells_its_whole_that_it_was_changed() -> None:
    outer = Document(None, b"")
    document, segments = read_text(b"secret", "utf-8", Surface.TOOL_CALL, "body", outer=outer)
    segments[0].replace("x")
    assert document.changed
    assert outer.changed
