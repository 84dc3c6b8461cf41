"""`patterns`: its options, its words, and that messages never hold what is forbidden."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.load import load_texts
from gateway.dialects.base import Surface
from gateway.errors import ConfigError
from gateway.policy.kinds.patterns import PatternsOptions, PatternsRule
from gateway.testing import make_workshop
from gateway.verdict import Action, Mode, RuleRef

FILE = b"""
version: 1
upstreams: {openai: {provider: openai, url: "https://api.openai.com"}}
tenants: {acme: {policies: [p]}}
policies:
  p:
    rules:
      - kind: patterns
        expressions:
          - {name: fine, re2: 'a+'}
          - {name: broken, re2: '(?=a)'}
"""


def rule(**keys: Any) -> PatternsRule:
    options = PatternsOptions.model_validate({"kind": "patterns", **keys})
    ref = RuleRef("p", "patterns", "patterns")
    return PatternsRule(options, ref, Mode.ENFORCE, make_workshop())


def problem(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        rule(**keys)
    return str(caught.value)


HOST = {"name": "host", "re2": r"\b[a-z]+\.corp\b"}


def test_by_default_it_blocks_everywhere() -> None:
    made = rule(deny=["x y"])
    assert made.surfaces == frozenset(Surface)
    assert made.action_on(Surface.TOOL_CALL) is Action.BLOCK


@pytest.mark.parametrize(
    ("word", "action"),
    [("flag", Action.FLAG), ("redact", Action.REWRITE), ("block", Action.BLOCK)],
)
def test_each_action_is_its_own(word: str, action: Action) -> None:
    assert rule(deny=["xy"], action=word).action_on(Surface.USER) is action


def test_phrases_are_known_by_number_and_expressions_by_name() -> None:
    made = rule(deny=["secret plan", "other"], expressions=[HOST])
    text = "the SECRET  plan is on db.corp, and Other things"
    assert [f.entity for f in made.scanner.find(text)] == ["phrase-1", "host", "phrase-2"]
    said = made.describe({"phrase-1": 1, "host": 2})
    assert "phrase-1" in said
    assert "host" in said
    assert "secret" not in said


def test_case_counts_for_phrases_where_it_is_asked_for() -> None:
    made = rule(deny=["DROP"], expressions=[{"name": "e", "re2": "(?i)rm"}], case_sensitive=True)
    assert [f.entity for f in made.scanner.find("drop RM DROP")] == ["e", "phrase-1"]


def test_what_is_put_in_its_place_is_not_found_again() -> None:
    made = rule(deny=["DROP TABLE"], expressions=[HOST], action="redact")
    (finding,) = made.scanner.find("drop table")
    stand_in = made.replacement("drop table", finding)
    assert stand_in == "[removed by Portcullis: pattern_found]"
    assert not made.scanner.find(stand_in)


def test_longest_is_how_much_of_a_stream_is_held() -> None:
    assert rule(deny=["xy"]).scanner.longest == 512
    assert rule(deny=["xy"], longest=1000).scanner.longest == 1000


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "nothing to look for"),
        ({"deny": ["  "]}, "deny"),
        ({"expressions": [HOST, HOST]}, "host"),
        ({"expressions": [{"name": "phrase-1", "re2": "x"}]}, "phrase-1"),
        ({"expressions": [{"name": "a b", "re2": "x"}]}, "name"),
        ({"expressions": [{"name": "e", "re2": "(x"}]}, "missing )"),
        ({"expressions": [{"name": "e", "re2": "x*"}]}, "matches where there is nothing"),
        ({"deny": ["xy"], "action": "redcat"}, "redact"),
        ({"deny": ["xy"], "longest": 100_000}, "longest"),
    ],
)
def test_what_cannot_work_is_an_error_that_says_why(keys: dict[str, Any], said: str) -> None:
    assert said in problem(**keys)


def test_the_line_of_a_broken_expression_is_given() -> None:
    with pytest.raises(ConfigError) as caught:
        load_texts({"p.yaml": FILE}, {})
    (line,) = caught.value.problems
    assert line.startswith("p.yaml:11")
    assert "(?=" in line


def test_rules_with_the_same_patterns_share_a_scanner() -> None:
    assert rule(deny=["xy"]).scanner is rule(deny=["xy"], action="flag").scanner
