"""`pii`: its options, its words, and what it puts in the place of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.load import load_texts
from gateway.config.schema import policy_schema
from gateway.detectors.presidio_entities import ENTITIES
from gateway.dialects.base import Surface
from gateway.errors import ConfigError
from gateway.policy.kinds.pii import DEFAULT_ENTITIES, PiiOptions, PiiRule
from gateway.testing import make_workshop
from gateway.verdict import Action, Mode, RuleRef

DOCS = Path(__file__).parents[3] / "docs" / "kinds" / "pii.md"
FILE = """
version: 1
upstreams: {{openai: {{provider: openai, url: "https://api.openai.com"}}}}
tenants: {{acme: {{policies: [p]}}}}
policies:
  p:
    rules:
      - {rule}
"""


def rule(**keys: Any) -> PiiRule:
    options = PiiOptions.model_validate({"kind": "pii", **keys})
    return PiiRule(options, RuleRef("p", "pii", "pii"), Mode.ENFORCE, make_workshop())


def problem(**keys: Any) -> str:
    with pytest.raises((ValidationError, ValueError)) as caught:
        rule(**keys)
    return str(caught.value)


def test_by_default_it_redacts_everywhere() -> None:
    made = rule()
    assert made.surfaces == frozenset(Surface)
    assert {made.action_on(surface) for surface in Surface} == {Action.REWRITE}
    assert set(DEFAULT_ENTITIES) <= set(ENTITIES)


@pytest.mark.parametrize(
    ("word", "action"),
    [("flag", Action.FLAG), ("redact", Action.REWRITE), ("block", Action.BLOCK)],
)
def test_each_action_is_its_own(word: str, action: Action) -> None:
    assert rule(action=word).action_on(Surface.USER) is action


def test_the_entity_stands_in_the_place_of_the_data() -> None:
    made = rule(entities=["EMAIL_ADDRESS"])
    text = "write to jane@example.org"
    (finding,) = made.scanner.find(text)
    assert made.replacement(text, finding) == "<EMAIL_ADDRESS>"
    assert not made.scanner.find(made.replacement(text, finding))


def test_no_stand_in_is_taken_for_data_again() -> None:
    scanner = rule(entities=list(DEFAULT_ENTITIES)).scanner
    assert not scanner.find(" ".join(f"<{entity}>" for entity in ENTITIES))


def test_words_say_what_was_found_and_how_often() -> None:
    said = rule().describe({"EMAIL_ADDRESS": 1, "CREDIT_CARD": 2, "DE_TAX_ID": 1, "IN_PAN": 1})
    assert said == (
        "2 credit card numbers, a DE tax id number, an email address and an IN pan number"
    )


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("EMAIL", "EMAIL_ADDRESS"), ("credit_card", "CREDIT_CARD"), ("US_SNN", "US_SSN")],
)
def test_an_unknown_entity_is_named_with_what_was_meant(wrong: str, meant: str) -> None:
    said = problem(entities=[wrong])
    assert wrong in said
    assert meant in said


def test_keys_of_stand_ins_belong_to_pseudonymize() -> None:
    said = problem(action="redact", on_leak="block", scope="tenant")
    assert "on_leak, scope: only with `action: pseudonymize`" in said
    assert rule(action="pseudonymize", on_leak="block", scope="tenant").per_call


def test_a_threshold_that_finds_nothing_is_an_error() -> None:
    assert "UK_POSTCODE" in problem(entities=["UK_POSTCODE"], threshold=0.5)
    assert rule(entities=["UK_POSTCODE"], threshold=0.1).scanner.find("at SW1A 1AA")


def test_no_entities_is_an_error() -> None:
    assert "entities" in problem(entities=[])


def test_the_line_of_a_wrong_entity_is_given() -> None:
    text = FILE.format(rule="{kind: pii, entities: [US_SSN, EMAIL]}").encode()
    with pytest.raises(ConfigError) as caught:
        load_texts({"p.yaml": text}, {})
    (line,) = caught.value.problems
    assert line.startswith("p.yaml:8")
    assert "EMAIL_ADDRESS" in line


def test_an_editor_can_offer_every_entity() -> None:
    keys = policy_schema()["$defs"]["PiiOptions"]["properties"]
    assert keys["entities"]["items"]["anyOf"][0]["enum"] == sorted(ENTITIES)
    assert keys["action"]["enum"] == ["flag", "redact", "pseudonymize", "block"]


def test_rules_with_the_same_settings_share_a_scanner() -> None:
    assert rule(entities=["US_SSN"]).scanner is rule(entities=["US_SSN"], action="block").scanner


def test_the_page_lists_every_entity() -> None:
    page = DOCS.read_text()
    assert [name for name in ENTITIES if f"`{name}`" not in page] == []


OWN = [
    {
        "name": "Employee",
        "supported_entity": "EMPLOYEE_ID",
        "patterns": [{"name": "id", "regex": r"\bEMP-\d{6}\b", "score": 0.6}],
    }
]


def test_what_an_operator_brings_is_looked_for_besides_the_default_entities() -> None:
    text = "mail jane@example.com of EMP-123456"
    found = rule(recognizers=OWN).scanner.find(text)
    assert [finding.entity for finding in found] == ["EMAIL_ADDRESS", "EMPLOYEE_ID"]
    named = rule(recognizers=OWN, entities=["EMPLOYEE_ID"])
    assert [finding.entity for finding in named.scanner.find(text)] == ["EMPLOYEE_ID"]
    assert named.describe({"EMPLOYEE_ID": 1}) == "an employee id"


def test_an_entity_that_no_recognizer_of_the_rule_finds_is_told() -> None:
    assert "EMPLOYEE_ID" in problem(recognizers=OWN, entities=["EMPLOYE_ID"])
    assert "scores at most 0.95" in problem(
        recognizers=OWN, entities=["EMPLOYEE_ID"], threshold=0.99
    )


def test_what_an_operators_recognizer_finds_gets_a_stand_in_once() -> None:
    made = rule(recognizers=OWN, action="pseudonymize")
    found = made._new.find("EMP-123456 <EMPLOYEE_ID_7KQ2M9XB>")
    assert [(finding.start, finding.end) for finding in found] == [(0, 10)]
