"""pydantic's errors in an operator's words."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.load import load_texts
from gateway.config.problems import keys_at, suggest
from gateway.errors import ConfigError

HEAD = """\
version: 1
upstreams: {o: {provider: openai, url: "https://x"}}
tenants: {a: {policies: [p]}}
"""


def problems(rest: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_texts({"f": (HEAD + rest).encode()}, {})
    return caught.value.problems


def rule(text: str) -> list[str]:
    return problems(f"policies:\n  p:\n    rules:\n      - {text}\n")


def test_an_unknown_key_gets_its_line_and_a_suggestion() -> None:
    assert problems("policies: {p: {rules: []}}\nsesions: {idle: 3m}") == [
        "f:5: this version has no key 'sesions' here (did you mean 'sessions'?)"
    ]


def test_the_keys_of_a_rule_are_those_of_its_kind() -> None:
    assert rule("{kind: tools, denny: [x]}") == [
        "f:7: this version has no key 'denny' here (did you mean 'deny'?)"
    ]


def test_keys_inside_a_rules_own_keys_are_known_too() -> None:
    assert rule("{kind: tools, deny: [x], when: {tennant: [a]}}") == [
        "f:7: this version has no key 'tennant' here (did you mean 'tenant'?)"
    ]


def test_a_value_that_this_version_does_not_take_is_named_with_what_it_takes() -> None:
    (line,) = rule("{kind: tools, deny: [x], unknown: blok}")
    assert line.startswith("f:7: unknown: this version has no 'blok' here (did you mean 'block'?)")
    assert line.endswith("it takes 'block', 'flag' or 'allow'")


def test_a_kind_gets_a_suggestion() -> None:
    (line,) = rule("{kind: tool}")
    assert line.startswith("f:7: this version has no kind 'tool' (did you mean 'tools'?); it has ")


def test_a_missing_key_and_a_wrong_type_are_said_plainly() -> None:
    found = problems("policies: {p: {mode: shadow}}\ndefault_tenant: 3\nprices: [1]")
    assert "f:4: the key 'rules' is missing" in found
    assert "f:5: default_tenant: expected text, not 3" in found
    assert "f:6: prices: expected keys with values, not [1]" in found


def test_units_say_what_they_expected() -> None:
    assert 'such as "30s"' in problems("policies: {p: {rules: []}}\nsessions: {idle: 3}")[0]


def test_a_union_gives_one_problem_not_one_for_each_member() -> None:
    (line,) = rule("{kind: model, force: {store: [1]}}")
    assert line.startswith(
        "f:7: store: expected true or false or a whole number or a number or text"
    )


def test_a_list_whose_only_item_is_wrong_is_not_called_empty_too() -> None:
    (line,) = rule("{kind: pii, entities: [EMAL_ADDRESS]}")
    assert "did you mean EMAIL_ADDRESS" in line


def test_suggestions_are_made_only_where_they_are_near() -> None:
    assert suggest("polices", ["policies", "prices"]) == " (did you mean 'policies'?)"
    assert suggest("zebra", ["policies"]) == ""


def test_the_keys_of_every_place_are_known() -> None:
    document: dict[str, Any] = {
        "tenants": {"a": {"keys": [{}]}},
        "policies": {"p": {"rules": [{"kind": "tools"}, {"kind": "nope"}]}},
    }
    assert "upstreams" in keys_at((), document)
    assert "may_assert" in keys_at(("tenants", "a", "keys", 0), document)
    assert "unknown" in keys_at(("policies", "p", "rules", 0), document)
    assert "on_error" in keys_at(("policies", "p", "rules", 1), document)
    assert "user" in keys_at(("policies", "p", "rules", 0, "when"), document)
    document["policies"]["p"]["rules"][0] = {"kind": "secrets"}
    assert "except" in keys_at(("policies", "p", "rules", 0), document)
    assert keys_at(("version", "x"), document) == []
