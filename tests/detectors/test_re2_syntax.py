"""RE2's syntax in Python's: where RE2 matches, the translation does."""

from __future__ import annotations

import re
import warnings

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.re2_syntax import as_python, without_names

SHAPES = [
    r"(?i)\bdb-[0-9]+\.corp\b", r"[[:alpha:]]+:[[:digit:]]{2,4}", r"[^[:space:]]+@", r"a\s+b\S",
    r"[\s,]x", r"\pL+1", r"\p{Greek}\PN", r"\x{e9}t\x{e9}", r"[\x{e0}-\x{ff}]", r"end\z",
    r"\Qa.b*\E+", r"(?P<one>a)(?P<two>b)?", r"(?s)a.b", r"[]a]+", r"[^]a]+", r"[a[&~|]+",
    r"[\d\-]{3}", r"(?m)^\s*#.*$", r"a|(?i:b)c", r"\\Q", r"\(\[",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@given(st.text(alphabet="aAbBcrp.d-:12@#\\Q*&[]|()\t\n\v\x0c\x1c \u00a0\u00e9\u00df\u03b1\u0660"))
def test_what_re2_matches_its_translation_matches(shape: str, text: str) -> None:
    python = as_python(shape)
    assert python is not None
    match = re2.search(shape, text)
    if match is not None:
        assert re.compile(python, re.ASCII).match(text, match.start()) is not None


def test_no_translation_makes_python_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in SHAPES:
            re.compile(as_python(shape) or "", re.ASCII)


@pytest.mark.parametrize(
    "shape", [r"a{,5}", r"\C", r"[\pL-]", r"[^\PL]", r"[[:^alpha:]]", r"[\S]", r"\123", r"[\Qa\E]"]
)
def test_what_python_cannot_say_has_no_translation(shape: str) -> None:
    assert as_python(shape) is None


@pytest.mark.parametrize("literal", [r"\(?P<a>", r"[(?P<a>]", r"\Q(?P<a>\E"])
def test_only_groups_lose_their_names(literal: str) -> None:
    assert without_names(literal) == literal
    assert without_names(f"(?P<x>a(?<y>b)){literal}") == f"(a(b)){literal}"
