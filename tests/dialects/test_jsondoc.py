"""Bodies: what two parsers could read differently is refused, and everything else is read."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import (
    MAX_DEPTH,
    JsonDocument,
    KeySegment,
    dumps,
    duplicate_key,
    leaf_segments,
    loads_lenient,
    parse,
    parse_answer,
    parse_object,
    strings,
    unique_keys,
)
from gateway.errors import CallerError
from gateway.verdict import Reason

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from('a":\\ \n\t,{}[]é'), st.characters(exclude_categories=["Cs"])
    ),
    max_size=8,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


def refused(body: bytes) -> CallerError:
    with pytest.raises(CallerError) as failure:
        parse(body)
    return failure.value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_every_spelling_of_a_value_is_read_and_kept(
    value: object, ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    document = parse(body)
    assert document.root == value
    assert document.encode() == body


PAIRS = st.recursive(
    st.one_of(st.none(), TEXTS),
    lambda inner: st.lists(st.tuples(TEXTS, inner), max_size=3).map(tuple),
    max_leaves=12,
)


def spell(node: object, space: str, ascii_only: bool) -> str:
    """JSON text of a tree whose objects are tuples of pairs, duplicates and all."""
    if not isinstance(node, tuple):
        return json.dumps(node, ensure_ascii=ascii_only)
    inner = ",".join(
        f"{space}{json.dumps(key, ensure_ascii=ascii_only)}{space}:{space}"
        f"{spell(value, space, ascii_only)}"
        for key, value in node
    )
    return "{" + inner + space + "}"


def has_twice(node: object) -> bool:
    if not isinstance(node, tuple):
        return False
    keys = [key for key, _ in node]
    return len(set(keys)) != len(keys) or any(has_twice(value) for _, value in node)


@given(PAIRS, st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_a_key_that_stands_twice_is_always_found(
    tree: object, space: str, ascii_only: bool
) -> None:
    body = spell(tree, space, ascii_only).encode()
    if has_twice(tree):
        assert refused(body).reason is Reason.DUPLICATE_KEY
    else:
        assert parse(body).encode() == body


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"a":1,"a":2}', "a"),
        (b'{"a" :1,"\\u0061":2}', "a"),
        (b'{"messages":[{"x":1},{"role":"user","role":"x"}]}', "messages[1].role"),
        (b'{"a":{"x\\\\":1},"a":{}}', "a"),
        (b'{"a":"\\":\\":","b":1,"b":2}', "b"),
        (b'[{"4111111111111111":1,"4111111111111111":2}]', "[0].*"),
    ],
)
def test_a_duplicate_key_is_named_by_its_path(body: bytes, path: str) -> None:
    assert f"at {path}." in refused(body).message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.BODY_MALFORMED),
        (b'\xef\xbb\xbf{"a":1}', Reason.BODY_MALFORMED),
        (b'{"a":NaN}', Reason.BODY_MALFORMED),
        (b'{"a":1}x', Reason.BODY_MALFORMED),
        (b'{"a":"\xff"}', Reason.BODY_MALFORMED),
        (b'{"a":"\xed\xa0\x80"}', Reason.BODY_MALFORMED),
        (b'{"a":"\\ud800"}', Reason.LONE_SURROGATE),
        (b'{"a":"\\udc00 \\ud83d\\ude00"}', Reason.LONE_SURROGATE),
        (b'{"a":"\\ud800",}', Reason.BODY_MALFORMED),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), Reason.BODY_MALFORMED),
        (b"[" * 5000 + b"]" * 5000, Reason.BODY_MALFORMED),
    ],
)
def test_what_cannot_be_read_one_way_is_refused(body: bytes, reason: Reason) -> None:
    assert refused(body).reason is reason


def test_a_refusal_repeats_no_content() -> None:
    assert "AKIA" not in refused(b'{"AKIAIOSFODNN7EXAMPLE":1,"AKIAIOSFODNN7EXAMPLE":2}').message
    assert "AKIA" not in refused(b'{"x":AKIAIOSFODNN7EXAMPLE}').message


def test_the_deepest_body_can_be_written_again() -> None:
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(parse(body).root) == body


def test_a_dialect_body_is_an_object() -> None:
    with pytest.raises(CallerError):
        parse_object(b"[1]")
    assert parse_object(b'{"a":1}').root == {"a": 1}


def test_an_answer_is_read_leniently() -> None:
    assert parse_answer(b'{"a":1,"a":2}').root == {"a": 2}
    assert (
        parse_answer(b'{"a":"\\ud83d|\\ud83d\\ude00|\\\\ud83d"}').root["a"] == "\ufffd|😀|\\ud83d"
    )
    for body in (b"[]", b"{", b"", b"\xff"):
        with pytest.raises(ValueError):
            parse_answer(body)


def test_lenient_text_is_read_too() -> None:
    assert loads_lenient('"\\udc00"') == "\ufffd"


@given(VALUES)
def test_what_is_changed_is_written(value: object) -> None:
    document = JsonDocument({"a": value}, b"old")
    document.root["b"] = 1
    assert document.encode() == b"old"
    document.touch()
    assert orjson.loads(document.encode()) == {"a": value, "b": 1}


def test_numbers_beyond_64_bits_are_written_whole() -> None:
    assert dumps([2**70]) == b"[1180591620717411303424]"


def test_unique_keys_asks_the_same_question() -> None:
    assert unique_keys(b'{"a":1}', {"a": 1})
    assert not unique_keys(b'{"a":1,"a":2}', {"a": 2})
    assert duplicate_key('{"a":[{"b":1}]}') == ""


@given(VALUES)
def test_every_string_key_and_long_number_becomes_a_segment(value: object) -> None:
    root = [value]
    document = JsonDocument(root, b"")
    found = leaf_segments(document, root, Surface.TOOL_CALL, "here")
    texts = sorted(s.text for s in found if not s.text.lstrip("-").isdigit())
    assert texts == sorted(t for t in strings(root) if t and not t.lstrip("-").isdigit())


@given(VALUES)
def test_every_segment_can_be_replaced(value: object) -> None:
    root = [value]
    document = JsonDocument(root, b"")
    for segment in leaf_segments(document, root, Surface.TOOL_CALL, "here"):
        segment.replace("X")
    left = {text for text in strings(parse(document.encode() or b"[]").root) if text}
    assert all(text.startswith("X") for text in left)


def test_a_long_number_is_text_and_becomes_a_string() -> None:
    root = {"card": 4111111111111111, "n": 12, "ok": True, "f": 4111111.5}
    document = JsonDocument(root, b"")
    segments = leaf_segments(document, root, Surface.TOOL_CALL, "here", known=frozenset(root))
    assert [s.text for s in segments] == ["4111111111111111", "4111111.5"]
    segments[0].replace("gone")
    assert root["card"] == "gone"
    assert document.changed


def test_a_renamed_key_takes_its_value_with_it() -> None:
    root = {"a@b.example": "c@d.example", "x": {"y": "z"}}
    document = JsonDocument(root, b"")
    segments = leaf_segments(document, root, Surface.TOOL_CALL, "here")
    for segment in segments:
        if isinstance(segment, KeySegment) and "@" in segment.text:
            segment.replace("KEY")
    for segment in segments:
        if not isinstance(segment, KeySegment) and "@" in segment.text:
            segment.replace("VALUE")
    assert root == {"KEY": "VALUE", "x": {"y": "z"}}


def test_two_keys_never_fall_together() -> None:
    root = {"a": 1, "b": 2, "c": 3}
    document = JsonDocument(root, b"")
    for segment in leaf_segments(document, root, Surface.TOOL_CALL, "here"):
        segment.replace("X")
    assert sorted(root.values()) == [1, 2, 3]


def test_words_of_the_format_are_not_read() -> None:
    root = {"type": "object", "name": "find"}
    found = leaf_segments(
        JsonDocument(root, b""),
        root,
        Surface.TOOL_DEFINITION,
        "tools[0]",
        known=frozenset({"type", "name"}),
        words=frozenset({"object"}),
    )
    assert [s.text for s in found] == ["find"]
