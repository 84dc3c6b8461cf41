"""Forms with files: every text of a part is seen, and only a changed part is written anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.http_tool_multipart import MOST_PARTS, MultipartDocument
from gateway.errors import CallerError


def part(content: bytes, name: str = "a", more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}'.encode() + b"\r\n\r\n" + content


def body(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + each + b"\r\n" for each in parts) + b"--b--\r\n"


def read(raw: bytes) -> MultipartDocument:
    return MultipartDocument(raw, "b", Surface.TOOL_CALL, "body")


FILE = '; filename="f.bin"\r\nContent-Type: application/octet-stream'


def test_fields_and_files_of_text_are_read_and_binary_ones_are_named() -> None:
    raw = body(
        part(b"hello"),
        part(b"a,b\r\n1,2", "t", '; filename="t.csv"\r\nContent-Type: text/csv'),
        part(b'{"x": "y"}', "j", "\r\nContent-Type: application/json"),
        part(b"\xff\xfe\x00", "f", FILE),
        part(b"\x89PNG", "i", '; filename="i"\r\nContent-Type: image/png'),
    )
    document = read(raw)
    said = [segment.text for segment in document.segments if not segment.readonly]
    assert said == ["hello", "a,b\r\n1,2", "y", "x"]
    assert [item.what for item in document.unscannable] == ["file", "image"]
    assert document.encode() == raw


def test_what_heads_say_is_seen_but_never_rewritten() -> None:
    document = read(body(part(b"", "secret name", '; filename="secret.txt"')))
    heads = [segment for segment in document.segments if segment.readonly]
    assert len(heads) == 1
    assert 'name="secret name"; filename="secret.txt"' in heads[0].text


def test_only_a_changed_part_is_written_anew() -> None:
    binary = part(bytes(range(256)), "f", FILE)
    document = read(body(part(b"one secret"), binary, b"\r\nbare", part(b'{"a" : "secret"}', "j")))
    for segment in document.segments:
        if "secret" in segment.text:
            segment.replace(segment.text.replace("secret", "x"))
    expected = body(part(b"one x"), binary, b"\r\nbare", part(b'{"a":"x"}', "j"))
    assert document.encode() == expected
    assert [text for _, text in document.view()] == ["one x", None, "bare", '{"a":"x"}']


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"preamble\r\n" + body(part(b"x")),
        body(part(b"x")) + b"epilogue",
        body(part(b"x")).replace(b"\r\n", b"\n"),
        b"--b\r\n" + part(b"x"),
        b"--b\r\nno blank line\r\n--b--\r\n",
        b"--bX\r\n" + part(b"x") + b"\r\n--b--\r\n",
        b"--b \r\n" + part(b"x") + b"\r\n--b--\r\n",
        b"--b\r\nA: 1\nB: 2\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nA: 1\r\nA: 2\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nA: 1\r\n folded\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nA: " + b"x" * 9000 + b"\r\n\r\nx\r\n--b--\r\n",
        body(*[part(b"")] * (MOST_PARTS + 2)),
    ],
    ids=range(15),
)
def test_what_two_parsers_could_take_apart_differently_is_not_taken_apart(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        read(raw)


def test_a_rule_cannot_write_the_boundary_into_a_part() -> None:
    document = read(body(part(b"secret")))
    document.segments[1].replace("--b--")
    with pytest.raises(CallerError):
        document.encode()


@pytest.mark.parametrize(
    "more",
    [
        "\r\nContent-Transfer-Encoding: base64",
        "\r\nContent-Type: text/plain; charset=utf-16",
        "\r\nContent-Type: multipart/mixed; boundary=c",
    ],
)
def test_a_part_in_an_encoding_of_its_own_is_unscannable(more: str) -> None:
    assert len(read(body(part(b"hello", "a", more))).unscannable) == 1


@given(contents=st.lists(st.binary(max_size=40).filter(lambda c: b"--b" not in c), max_size=4))
def test_any_parts_leave_as_they_came(contents: list[bytes]) -> None:
    raw = body(part(b"first"), *[part(content, more=FILE) for content in contents])
    document = read(raw)
    assert document.encode() == raw
    document.segments[1].replace("changed")
    assert read(document.encode()).view()[1:] == read(raw).view()[1:]


@given(raw=st.lists(st.sampled_from([b"--b", b"--", b"\r\n", b"\n", b"a: b", b"x"]), max_size=14))
def test_any_bytes_are_parts_or_refused(raw: list[bytes]) -> None:
    whole = b"".join(raw)
    try:
        document = read(whole)
    except ValueError:
        return
    assert document.encode() == whole
