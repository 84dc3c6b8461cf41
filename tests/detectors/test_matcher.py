"""Filters, holds and quick searches agree with plain searches, in code points."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.matcher import Expression, Growing, Matcher, Pattern, Quick, derive, encode
from gateway.detectors.regex_tree import loosen
from gateway.policy import content_rule

PATTERNS = [
    r"\b[\w.]+@\w+\.\w+\b",
    r"(?<!\d)\d{3}-\d{4}(?!\d)",
    r"(a|b)\1",
    r"\bé\w+",
    r"x+(?=y)",
    r"^k\w*$",
    r"(?<=:)\w+",
]
TEXTS = st.text(alphabet="ab1@.-: éxyk\n😀", max_size=40)


@given(st.sampled_from(PATTERNS), st.sampled_from([0, re.I, re.M]), TEXTS, st.integers(0, 40))
@settings(max_examples=600, deadline=None)
def test_a_quick_search_gives_the_very_same_matches(regex, flags, text, begin):
    plain = re.compile(regex, flags)
    quick = Quick(Pattern(regex, flags), plain)
    quick.begin = begin = min(begin, len(text))
    assert [m.span() for m in quick.finditer(text)] == [
        m.span() for m in plain.finditer(text, begin)
    ]


def test_a_quick_search_gives_up_on_its_shortcut_rather_than_being_slow():
    plain = re.compile(r"a(?<!aa)b")
    text = "aab" * 200 + "xab"
    assert [m.span() for m in Quick(Pattern(plain.pattern), plain).finditer(text)] == [
        m.span() for m in plain.finditer(text)
    ]


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_hits_name_every_pattern_that_matches(text):
    matcher = Matcher([Pattern(regex) for regex in PATTERNS])
    hits = set(matcher.hits(text))
    for number, regex in enumerate(PATTERNS):
        if re.search(regex, text):
            assert number in hits


def test_hold_counts_code_points_and_begins_where_it_is_told():
    growing = Growing([Pattern("secret")])
    assert growing.hold("ééé sec") == 4
    assert growing.hold("sec sec", 1) == 4
    assert growing.hold("sec", 1) == 3
    assert growing.hold("sec", 3) == 3
    assert growing.hold("") == 0
    assert Growing([]).hold("abc") == 3


def test_hold_sees_the_character_before_its_start():
    growing = Growing([Pattern(r"\bcat")])
    assert growing.hold("xca", 1) == 3
    assert growing.hold(" ca", 1) == 1


def test_a_lone_surrogate_keeps_its_place():
    text = "\ud800 ab"
    assert len(encode(text).decode()) == len(text)
    assert Growing([Pattern("abc")]).hold(text) == 2
    assert Matcher([Pattern("ab")]).hits(text)


def test_what_re2_refuses_becomes_coarser_and_never_narrower():
    refused = r"(?:(?:a{60}b){60}c){60}"
    expression = derive(refused, 0, loosen, only_ascii=False, last="(?s:.)")
    assert re2.search(expression, ("a" * 60 + "b") * 60 * 60 + "c" * 60) is not None
    assert derive(r"\p{L}(", 0, loosen, only_ascii=True, last="(?s:.)") == "(?s:.)"


def test_a_pattern_that_python_cannot_read_is_always_a_candidate():
    matcher = Matcher([Pattern(r"\p{Greek}+")])
    assert matcher.hits("anything")
    assert matcher.hold("anything") == 0


def test_grows_stands_for_the_pattern_in_streams():
    matcher = Matcher([Pattern("bc", grows="abcd")])
    assert matcher.hold("xab") == 1
    assert not matcher.hits("ab")


def test_an_expression_gives_byte_offsets():
    assert Expression("b").start("éb".encode(), 0, 3) == 2
    assert Expression("b").start(b"a", 0, 1) == -1


def test_warming_makes_everything():
    matcher = Matcher([Pattern("abc")])
    matcher.warm()
    assert matcher.hits("abc")


def test_the_context_of_patterns_is_what_the_stream_window_keeps():
    from gateway.detectors import matcher

    assert matcher.LOOK_BEHIND == content_rule.LOOK_BEHIND


@pytest.mark.parametrize("text", ["", "é"])
def test_nothing_is_found_in_nothing(text):
    assert not Matcher([Pattern("abc")]).hits(text)
