"""The table of formats is sound: it compiles, names things, and every check exists."""

import re

import pytest

from gateway.detectors.regex_tree import width
from gateway.detectors.secret_checks import CHECKS, PROOFS
from gateway.detectors.secrets import FORMATS


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.entity)
def test_a_format_compiles_and_cannot_match_nothing(form):
    re.compile(form.regex)
    assert width(form.regex)[0] >= 8
    assert form.check in CHECKS
    assert form.proof in PROOFS or not form.proof
    assert form.name.split()[0] in ("a", "an", "credentials")
    assert re.fullmatch(r"[A-Z0-9_]{3,40}", form.entity)


def test_entities_are_named_once():
    entities = [form.entity for form in FORMATS]
    assert len(entities) == len(set(entities))
