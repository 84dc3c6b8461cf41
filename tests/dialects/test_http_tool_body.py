"""Bodies of HTTP tools: what is read of each media type, what is refused, what is unscannable."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.http_tool_body import Body, read_answer, read_request
from gateway.errors import CallerError
from gateway.verdict import Reason

PNG = b"\x89PNG\r\n\x1a\n\xff"
TYPES = [
    *("application/json", "text/plain", "application/x-www-form-urlencoded", "text/html"),
    *("multipart/form-data; boundary=b", "application/x-ndjson", "image/png", ""),
    "text/plain; charset=utf-16",
]


def texts(body: Body) -> list[str]:
    return [segment.text for segment in body.segments]


def what(body: Body) -> list[str]:
    return [item.what for item in body.unscannable]


@given(body=st.binary(max_size=60), media=st.sampled_from(TYPES))
def test_an_answer_of_any_bytes_and_type_leaves_as_it_came(body: bytes, media: str) -> None:
    read = read_answer(body, media)
    assert read.document.encode() == body
    assert all(s.surface is Surface.TOOL_RESULT for s in (*read.segments, *read.unscannable))


@given(body=st.binary(max_size=60), media=st.sampled_from(TYPES))
def test_a_request_of_any_bytes_and_type_leaves_as_it_came_or_is_refused(
    body: bytes, media: str
) -> None:
    try:
        read = read_request(body, media)
    except CallerError:
        return
    assert read.document.encode() == body
    assert all(s.surface is Surface.TOOL_CALL for s in (*read.segments, *read.unscannable))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": 1, "a": 2}', Reason.DUPLICATE_KEY),
        (b'{"a": ', Reason.BODY_MALFORMED),
        (b'{"a": "\\ud800"}', Reason.LONE_SURROGATE),
        (b'\xef\xbb\xbf{"a": 1}', Reason.BODY_MALFORMED),
    ],
)
def test_json_that_two_tools_could_read_differently_is_refused(body: bytes, reason: Reason) -> None:
    with pytest.raises(CallerError) as caught:
        read_request(body, "application/vnd.api+json")
    assert caught.value.reason is reason


def test_whole_numbers_are_kept_when_something_beside_them_is_rewritten() -> None:
    read = read_request(b'{"id": 123456789012345678901234567890, "a": "b"}', "application/json")
    next(s for s in read.segments if s.text == "b").replace("c")
    assert read.document.encode() == b'{"id":123456789012345678901234567890,"a":"c"}'


@pytest.mark.parametrize(
    ("media", "word"),
    [
        ("image/png", "image"),
        ("application/octet-stream", "file"),
        ("", "file"),
        ("text/plain", "encoding"),
        ("text/plain; charset=x-unknown", "encoding"),
        ("multipart/form-data; boundary=b", "body"),
        ("multipart/form-data", "body"),
        ("application/x-www-form-urlencoded", "file"),
    ],
)
def test_what_is_no_text_is_unscannable(media: str, word: str) -> None:
    assert what(read_request(PNG, media)) == [word]
    assert what(read_answer(PNG, media)) == [word]
    assert texts(read_request(PNG, media)) == []


def test_a_type_does_not_hide_a_text() -> None:
    for media in ("image/png", "application/octet-stream", "", "application/pdf"):
        assert texts(read_request(b"hello", media)) == ["hello"]
        assert texts(read_answer(b'{"a": "hello"}', media)) == ["hello", "a"]


def test_a_charset_in_which_letters_are_others_is_read_in_answers_only() -> None:
    body, media = "hello".encode("utf-16-le"), "text/plain; charset=utf-16le"
    assert texts(read_answer(body, media)) == ["hello"]
    assert what(read_request(body, media)) == ["encoding"]
    assert texts(read_answer(b'"hello"', "application/json; charset=utf-16")) == []


def test_a_form_with_bytes_beyond_ascii_is_read_as_text() -> None:
    read = read_request("a=é".encode(), "application/x-www-form-urlencoded")
    assert texts(read) == ["a=é"]


def test_nothing_is_read_of_nothing() -> None:
    for read in (read_request(b"", "application/json"), read_answer(b"", "application/json")):
        assert (read.segments, read.unscannable, read.document.encode()) == ([], [], b"")
        assert read.view() is None


def test_what_a_body_says_as_json() -> None:
    form = "application/x-www-form-urlencoded"
    assert read_request(b'{"a": 1}', "application/json").view() == {"a": 1}
    assert read_request(b"a=1&b", form).view() == [["a", "1"], ["b"]]
    assert read_request(b"hello", "text/plain").view() == "hello"
    packed = gzip.compress(b"hello", mtime=0)
    digest = hashlib.sha256(packed).hexdigest()
    assert read_request(packed, "").view() == {"bytes": len(packed), "sha256": digest}
    parts = b"--b\r\nA: 1\r\n\r\nhello\r\n--b--\r\n"
    assert read_request(parts, "multipart/form-data; boundary=b").view() == [["A: 1", "hello"]]
