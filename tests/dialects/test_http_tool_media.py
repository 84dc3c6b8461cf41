"""What a content-type says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.http_tool_media import Media, unread_as


def test_type_charset_and_boundary() -> None:
    media = Media('Multipart/Form-Data; charset=utf-8; boundary="a;\\"b"')
    assert (media.type, media.charset, media.boundary) == ("multipart/form-data", "utf-8", 'a;"b')
    assert media.multipart
    assert Media("text/plain;charset=UTF-8").charset == "UTF-8"
    assert Media("").type == ""


def test_of_a_parameter_given_twice_nothing_is_taken() -> None:
    assert Media("text/plain; charset=utf-8; charset=utf-16").charset == "?"
    assert Media("multipart/form-data; boundary=a; boundary=b").boundary == ""


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("application/json", "json"),
        ("application/problem+json; charset=utf-8", "json"),
        ("text/json", "json"),
        ("application/x-ndjson", "lines"),
        ("application/jsonl", "lines"),
        ("application/x-www-form-urlencoded", "form"),
        ("multipart/mixed; boundary=x", "multipart"),
    ],
)
def test_what_a_body_is_made_of(written: str, what: str) -> None:
    media = Media(written)
    assert [each for each in ("json", "lines", "form", "multipart") if getattr(media, each)] == [
        what
    ]


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("image/png", "image"),
        ("audio/mpeg", "audio"),
        ("video/mp4", "video"),
        ("text/plain", "encoding"),
        ("application/pdf", "file"),
        ("", "file"),
    ],
)
def test_what_cannot_be_read_has_a_word(written: str, word: str) -> None:
    assert unread_as(Media(written), default="file") == word


@given(written=st.text(max_size=200))
def test_any_header_gives_a_media_type(written: str) -> None:
    assert len(Media(written).type) <= 512
