"""RE2's syntax read with Python's: never less is matched than RE2 matches."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.re2_syntax import as_python, without_names

TEXTS = st.text(alphabet="ab1 -\t\v]^.é", max_size=12)
EXPRESSIONS = [
    r"a\s+b",
    r"[[:alpha:]]+1",
    r"[^[:space:]]b",
    r"\Qa.b\E+",
    r"\x{61}b",
    r"(?P<name>a)b|(?<other>1)",
    r"[]a]b",
    r"[^]a]b",
    r"a\z",
    r"\Aab",
    r"(?i)A\db",
    r"[&&a]b",
    r"\pLb",
    r"\p{Greek}|ab",
    r"a(?i:B)c?",
    r"[\s\d]b",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_what_re2_matches_the_python_form_matches_at_the_same_place(expression, text):
    python = as_python(expression)
    assert python is not None
    found = re2.search(expression, text)
    if found is not None:
        match = re.compile(python, re.ASCII).search(text, found.start())
        assert match is not None
        assert match.start() == found.start()


@pytest.mark.parametrize("expression", [r"\C", r"a{,3}", r"[[:^alpha:]]", r"[\pL]"])
def test_what_has_no_form_says_so(expression):
    assert as_python(expression) is None


def test_names_of_groups_can_be_taken_off():
    assert without_names(r"(?P<a>x)(?<b>y)[(?P<a>]") == r"(x)(y)[(?P<a>]"
