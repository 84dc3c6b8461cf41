"""What the kinds that read text have in common."""

from __future__ import annotations

from gateway.dialects.base import Surface
from gateway.policy.content_rule import LOOK_BEHIND, ContentRule
from gateway.verdict import Action, Finding, Reason
from tests.policy.fakes import FakeRule, Words


def rule(**keys: object) -> FakeRule:
    return FakeRule(Words("x"), Action.REWRITE, "r", **keys)


def test_surfaces_are_the_kinds_unless_the_operator_names_some() -> None:
    assert rule().surfaces == frozenset(Surface)
    assert rule(surfaces=["user", "output"]).surfaces == {Surface.USER, Surface.OUTPUT}
    assert rule(surfaces=[]).surfaces == frozenset()


def test_what_cannot_be_read_is_flagged_by_default() -> None:
    assert rule().unscannable == "flag"
    assert rule(unscannable="block").unscannable == "block"


def test_a_stand_in_names_the_reason_and_not_the_content() -> None:
    stand_in = ContentRule.replacement(rule(), "my secret", Finding("X", 3, 9))
    assert stand_in == f"[removed by Portcullis: {Reason.PATTERN_FOUND.value}]"


def test_findings_are_described_by_name() -> None:
    assert rule().describe({"B": 1, "A": 2}) == "A, B"
    assert rule().describe({}) == "something it forbids"


def test_look_behind_covers_a_word_boundary() -> None:
    assert LOOK_BEHIND >= 1
