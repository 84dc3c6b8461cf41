"""Objects of an API's own: what the caller put into them is read again."""

from __future__ import annotations

from gateway.dialects.base import Surface
from gateway.dialects.jsondoc import parse_answer
from gateway.dialects.plain_object import PlainObject

RAW = b'{"id":"file-1","filename":"secret.txt","metadata":{"note":"mine"},"bytes":12}'


def test_its_strings_are_the_users_and_old() -> None:
    made = PlainObject(parse_answer(RAW))
    assert {segment.text for segment in made.segments} == {"secret.txt", "mine"}
    assert {(s.surface, s.fresh) for s in made.segments} == {(Surface.USER, False)}
    assert made.encode() == RAW


def test_it_can_be_rewritten_and_calls_nothing() -> None:
    made = PlainObject(parse_answer(RAW))
    made.remove_tool_calls(frozenset({"a"}), "No.")
    made.replace_arguments("a", "{}")
    assert made.encode() == RAW
    next(s for s in made.segments if s.text == "mine").replace("#")
    assert made.encode() == RAW.replace(b"mine", b"#")
