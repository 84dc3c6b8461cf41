"""Presidio's recognizers are its own, and nothing else of it is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from presidio_analyzer import PatternRecognizer, predefined_recognizers

from gateway.detectors import presidio_loader
from gateway.detectors.presidio_entities import ENTITIES


def patterns_of(recognizer: Any) -> list[tuple[str, str, float]]:
    return [(p.name, p.regex, p.score) for p in getattr(recognizer, "patterns", ())]


@pytest.mark.parametrize("name", sorted({known.recognizer for known in ENTITIES.values()}))
def test_a_recognizer_is_what_the_package_gives(name: str) -> None:
    ours, theirs = presidio_loader.recognizer(name)(), getattr(predefined_recognizers, name)()
    assert type(ours).__module__ == type(theirs).__module__
    for key in ("supported_entities", "context", "global_regex_flags", "deny_list"):
        assert getattr(ours, key, None) == getattr(theirs, key, None)
    patterns = [
        [(p.name, p.regex, p.score) for p in getattr(r, "patterns", ())] for r in (ours, theirs)
    ]
    assert patterns[0] == patterns[1]


def test_the_real_package_is_left_as_it_is() -> None:
    before = {name: module for name, module in sys.modules.items() if "presidio" in name}
    presidio_loader.recognizer("UsSsnRecognizer")
    assert {name: module for name, module in sys.modules.items() if "presidio" in name} == before
    assert presidio_loader.core("PatternRecognizer") is not PatternRecognizer


def test_a_recognizer_that_presidio_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        presidio_loader.recognizer("NoRecognizer")


def test_neither_spacy_nor_the_package_itself_is_imported() -> None:
    """It would take a second, and most of 90 MB."""
    names = sorted(ENTITIES)
    code = (
        "import sys; from gateway.detectors.presidio import PresidioScanner;"
        f"PresidioScanner({names!r});"
        "heavy = {'spacy', 'numpy', 'thinc', 'presidio_analyzer', 'stanza', 'transformers'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
