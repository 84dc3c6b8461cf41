"""`ner`: a model that is here already, and what it is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.ner import Ner

MODEL = {"engine": "spacy", "model": "/models/en"}


def ner(**keys: Any) -> Ner:
    return Ner.model_validate({**MODEL, **keys})


def test_by_default_it_looks_for_people_and_places_in_english() -> None:
    made = ner()
    assert (made.entities, made.language, made.timeout) == (("PERSON", "LOCATION"), "en", 2.0)


def test_what_is_asked_for_is_in_the_version() -> None:
    versions = {
        ner(**keys).version
        for keys in ({}, {"entities": ["PERSON"]}, {"language": "de"}, {"labels": {"X": "PERSON"}})
    }
    assert len(versions) == 4
    assert ner(timeout="5s").version == ner().version  # the same answers, only later


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"model": "models/en"}, "absolute path"),
        ({"engine": "huggingface", "model": "some_model"}, "absolute path"),
        ({"engine": "huggingface", "model": "org/model"}, "absolute path"),
        ({"engine": "flair"}, "engine"),
        ({"timeout": "0s"}, "timeout"),
        ({"timeout": "2h"}, "timeout"),
        ({"entities": ["SHIP"]}, "labels"),
        ({"entities": []}, "entities"),
        ({"max_chars": 3}, "max_chars"),
    ],
)
def test_what_cannot_be_is_told(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ner(**keys)


def test_an_installed_spacy_package_has_a_name_and_labels_may_be_added() -> None:
    assert ner(model="en_core_web_sm").model == "en_core_web_sm"
    assert ner(labels={"SHIP": "VESSEL"}, entities=["VESSEL"]).entities == ("VESSEL",)
