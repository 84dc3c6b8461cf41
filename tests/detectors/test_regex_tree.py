"""Derived expressions are never narrower than the pattern they come from."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.matcher import Matcher, Pattern
from gateway.detectors.regex_tree import Untranslatable, loosen, unfinished, width

ATOMS = [
    "a", "b", "1", "-", "é", "k", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab1]",
    "[^a]", r"[^\d]", r"[^\W]", "[a-c]", r"[\w-]", "(?:ab|b1)", "(a|b)", "(?i:K)", "İ",
]  # fmt: skip
AROUND = [r"\b", r"\B", "^", "$", "(?=a)", "(?!1)", "(?<=a)", "(?<!b)", r"\Z", "(?=.*1)", ""]
COUNTS = ["", "", "", "?", "*", "+", "{2}", "{1,3}", "*?", "{2,}"]


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        parts.append(draw(st.sampled_from(AROUND)) if draw(st.booleans()) else "")
        parts.append(draw(st.sampled_from(ATOMS)) + draw(st.sampled_from(COUNTS)))
    parts.append(draw(st.sampled_from(AROUND)))
    body = "".join(parts)
    if draw(st.booleans()):
        body = f"(?:{body}){draw(st.sampled_from(COUNTS))}"
    if draw(st.booleans()):
        body += "|" + draw(st.sampled_from(ATOMS)) + draw(st.sampled_from(COUNTS))
    return body


TEXTS = st.text(alphabet="ab1-k Kéİıſ\n٣x_", max_size=24)
FLAGS = st.sampled_from([0, re.I, re.M, re.S, re.I | re.M | re.S, re.A])


@given(patterns(), FLAGS, TEXTS)
@settings(max_examples=250, deadline=None)
def test_what_python_matches_the_loosened_expression_matches(pattern, flags, text):
    match = re.search(pattern, text, flags)
    if match is None:
        return
    for only_ascii in (True, False) if text.isascii() else (False,):
        for plain in (True, False):
            rough = re2.compile(loosen(pattern, flags, only_ascii=only_ascii, plain=plain))
            # At the very same place: going from candidate to candidate must meet every match.
            found = rough.search(text, match.start())
            assert found is not None
            assert found.start() == match.start()


@given(patterns(), FLAGS, TEXTS)
@settings(max_examples=250, deadline=None)
def test_every_beginning_of_a_text_holds_the_matches_that_grow_in_it(pattern, flags, text):
    matcher = Matcher([Pattern(pattern, flags)])
    for match in re.finditer(pattern, text, flags):
        if match.start() == match.end():
            continue
        for cut in range(match.start() + 1, match.end() + 1):
            assert matcher.hold(text[:cut]) <= match.start()


@given(patterns(), FLAGS, TEXTS, st.integers(0, 24))
@settings(max_examples=250, deadline=None)
def test_what_lies_before_the_hold_does_not_change_with_what_follows(pattern, flags, text, cut):
    """Matches that end before the hold are final: no later text makes them longer or void."""
    matcher = Matcher([Pattern(pattern, flags)])
    cut = min(cut, len(text))
    if re.compile(pattern, flags).match("") or "(?=.*" in pattern:
        return
    hold = matcher.hold(text[:cut])
    early = [m.span() for m in re.finditer(pattern, text[:cut], flags)]
    late = [m.span() for m in re.finditer(pattern, text, flags)]
    for one, other in zip(early, late, strict=False):
        if one[0] >= hold or other[0] >= hold:
            break
        assert one == other


@pytest.mark.parametrize(
    ("pattern", "text", "hold"),
    [
        ("secret", "my sec", 3),
        ("secret", "my set", 6),
        ("secret", "my secret", 3),
        (r"\b\d{3}-\d{2}-\d{4}\b", "id 123-4", 3),
        (r"\b\d{3}-\d{2}-\d{4}\b", "id 123-a", 8),
        (r"(ab)\1", "xaba", 1),
        (r"a(?!bc)", "xab", 1),
        (r"a(?=b)", "xa", 1),
        (r"a{3}", "aaaaaa", 3),
        (r"\bcat", "concat", 6),
        (r"\bcat", "con cat", 4),
    ],
)
def test_hold_of_known_cases(pattern, text, hold):
    assert Matcher([Pattern(pattern)]).hold(text) == hold


def test_a_boundary_beside_an_ascii_word_character_is_kept_in_any_text():
    assert loosen(r"\b[0-9]{9}\b").count(r"\b") == 2
    assert r"\b" not in loosen(r"\b\w+")
    assert r"\b" not in loosen(r"\bkey", re.I)


def test_a_flag_in_the_middle_holds_for_all_as_the_regex_module_reads_it():
    assert re2.search(loosen(r"\b(?i)(ab)"), "xx AB")


def test_large_counts_lose_their_upper_bound_only():
    rough = re2.compile(loosen(r"x{2,5000}y"))
    assert rough.fullmatch("x" * 6000 + "y")
    assert not rough.search("xy")


def test_nested_large_counts_stay_within_what_re2_takes():
    rough = re2.compile(loosen(r"(?:(?:ab{60}){60}){60}", plain=False))
    assert rough.search(("a" + "b" * 60) * 3600)


def test_a_conditional_group_may_go_both_ways():
    rough = re2.compile(f"^(?:{loosen(r'(<)?a(?(1)>|!)')})$")
    assert rough.search("<a>")
    assert rough.search("a!")


def test_an_expression_python_cannot_parse_says_so():
    with pytest.raises(Untranslatable):
        loosen(r"\p{Greek}(")


def test_a_pattern_without_length_never_holds():
    assert not re2.search(unfinished(r"^\b$"), "abc")


def test_width_is_in_characters():
    assert width("ab{2,3}") == (3, 4)
