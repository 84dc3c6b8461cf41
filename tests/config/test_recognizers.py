"""A registry of recognizers in Presidio's YAML: what is read, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gateway.config.recognizers import CLASSES, MOST_RECOGNIZERS, Registry
from gateway.detectors import presidio_loader

PATTERN = {"name": "id", "regex": r"\bE\d{4}\b", "score": 0.4}
ENTRY: dict[str, Any] = {"name": "E", "supported_entity": "EMPLOYEE", "patterns": [PATTERN]}


def entry(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in {**ENTRY, **keys}.items() if value is not None}


def problem(*entries: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Registry.model_validate(list(entries))
    return str(caught.value)


def test_presidios_own_example_is_read_but_for_what_it_spells_without_a_name() -> None:
    file = presidio_loader._folder() / "conf" / "example_recognizers.yaml"
    written = yaml.safe_load(Path(file).read_text())
    custom = [each for each in written["recognizers"] if "patterns" in each or "deny_list" in each]
    made = {own.entity: own for own in Registry.model_validate(custom).made()}
    assert made["ZIP"].context == ("zip", "code")
    assert "Mr." in made["TITLE"].deny_list


def test_a_recognizer_for_several_languages_has_the_words_of_all() -> None:
    languages = [
        {"language": "en", "context": ["employee"]},
        {"language": "de", "context": ["Mitarbeiter"]},
    ]
    (own,) = Registry.model_validate([entry(supported_languages=languages)]).made()
    assert own.context == ("employee", "Mitarbeiter")
    assert (own.entity, own.best) == ("EMPLOYEE", 0.4)
    (plain,) = Registry.model_validate([entry(supported_languages=["en", "de"])]).made()
    assert plain.context == ()


def test_one_that_is_off_counts_for_nothing() -> None:
    registry = Registry.model_validate([entry(enabled=False), entry(deny_list=["Eve"])])
    assert [own.best for own in registry.made()] == [1.0]


def test_presidios_own_are_named_by_class() -> None:
    named = ["UsSsnRecognizer", {"name": "UK", "class_name": "NhsRecognizer", "type": "predefined"}]
    made = Registry.model_validate({"recognizers": named, "global_regex_flags": 2}).made()
    assert [own.entity for own in made] == ["US_SSN", "UK_NHS"]
    assert all(own.predefined for own in made)
    assert CLASSES["CreditCardRecognizer"] == "CREDIT_CARD"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(patterns=None)], "patterns or a deny_list"),
        ([entry(supported_entity=None)], "supported_entity"),
        ([entry(supported_entities=["A"])], "given twice"),
        ([entry(supported_entity="US_SSN")], "one of Presidio's own entities"),
        ([entry(supported_entity="a b")], "should match pattern"),
        ([entry(), entry(name="F")], "two recognizers for EMPLOYEE"),
        ([entry(patterns=[{**PATTERN, "regex": "["}])], "does not compile"),
        ([entry(patterns=[{**PATTERN, "score": 0}])], "greater than 0"),
        ([entry(patterns=[{**PATTERN, "weight": 1}])], "weight"),
        ([entry(deny_list=[""])], "at least 1 character"),
        ([entry(class_name="UsSsnRecognizer")], "only with `type: predefined`"),
        ([entry(supported_language="en", supported_languages=["de"])], "not both"),
        (["SpacyRecognizer"], "`ner`"),
        (["UsSnRecognizer"], "did you mean UsSsnRecognizer"),
        ([{"name": "UsSsnRecognizer", "type": "predefined", "deny_list": ["x"]}], "only with"),
        ([{"name": "UrlRecognizer", "type": "predefined", "supported_entity": "X"}], "finds URL"),
        ([entry(name=f"E{i}") for i in range(MOST_RECOGNIZERS + 1)], "at most"),
        ([], "at least 1"),
    ],
)
def test_what_is_wrong_is_told(entries: list[Any], said: str) -> None:
    assert said in problem(*entries)


@pytest.mark.parametrize("written", ["company.yaml", 5, None])
def test_what_is_no_registry_is_told(written: Any) -> None:
    with pytest.raises(ValidationError, match="a file beside the policy"):
        Registry.model_validate(written)


def test_only_flags_that_a_filter_can_follow_are_taken() -> None:
    with pytest.raises(ValidationError, match="ignore case"):
        Registry.model_validate({"recognizers": [ENTRY], "global_regex_flags": 64})
