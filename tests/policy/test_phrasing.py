"""Counts and lists as a person would say them."""

from __future__ import annotations

import pytest

from gateway.policy.phrasing import counted, joined


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("an email address", 1, "an email address"),
        ("an email address", 2, "2 email addresses"),
        ("a US driver's licence number", 3, "3 US driver's licence numbers"),
        ("an IBAN", 12, "12 IBANs"),
    ],
)
def test_one_has_its_article_and_more_have_a_plural(name: str, count: int, said: str) -> None:
    assert counted(name, count) == said


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcde"), "a, b, c, d and e"),
        (list("abcdefg"), "a, b, c, d, e and 2 more"),
    ],
)
def test_a_list_is_a_phrase_and_never_a_long_one(parts: list[str], said: str) -> None:
    assert joined(parts) == said
