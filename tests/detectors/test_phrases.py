"""Phrases and RE2 expressions: what is found, what is refused, and what a stream may let go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.phrases import Named, PatternScanner, phrase, problem_of
from tests.detectors.windows import in_pieces


def named(*regexes: str, longest: int = 512) -> PatternScanner:
    made = [Named(f"e{number}", regex) for number, regex in enumerate(regexes)]
    return PatternScanner(made, longest)


def phrases(*texts: str, case_sensitive: bool = False) -> PatternScanner:
    return named(*(phrase(text, case_sensitive=case_sensitive) for text in texts))


def found(scanner: PatternScanner, text: str, start: int = 0) -> list[tuple[str, str]]:
    return [(f.entity, text[f.start : f.end]) for f in scanner.find(text, start)]


@pytest.mark.parametrize(
    "text",
    ["drop table", "Drop  TABLE", "x.DROP\n\tTABLE;", "drop\u00a0table", "\u00e9 drop table"],
)
def test_a_phrase_is_found_in_any_case_and_white_space(text: str) -> None:
    ((_, match),) = found(phrases("DROP TABLE"), text)
    assert match.split() in (["drop", "table"], ["Drop", "TABLE"], ["DROP", "TABLE"])


def test_a_phrase_is_no_expression() -> None:
    assert found(phrases("a.b (c)* $1"), "a.b (c)* $1") == [("e0", "a.b (c)* $1")]
    assert found(phrases("a.b"), "axb") == []


def test_with_case_only_the_same_case_is_found() -> None:
    scanner = phrases("DROP TABLE", case_sensitive=True)
    assert found(scanner, "drop table, DROP  TABLE") == [("e0", "DROP  TABLE")]


def test_of_matches_that_overlap_the_first_stands_then_the_longest_then_the_order() -> None:
    scanner = named("bcd", "ab", "abcx?", "abc")
    assert found(scanner, "abcd") == [("e2", "abc")]
    assert found(scanner, "abd bcd") == [("e1", "ab"), ("e0", "bcd")]


def test_what_begins_before_the_start_neither_counts_nor_hides() -> None:
    scanner = named("abc", "cd", r"\bx")
    assert found(scanner, "abcd", 1) == [("e1", "cd")]
    assert found(scanner, "ax x", 1) == [("e2", "x")]
    assert found(scanner, "\u00e9abcd", 2) == [("e1", "cd")]


def test_expressions_may_name_their_groups_alike() -> None:
    assert found(named("(?P<a>x)1", "(?P<a>y)2"), "x1 y2") == [("e0", "x1"), ("e1", "y2")]


@pytest.mark.parametrize(
    ("regex", "why"),
    [
        ("(", "missing )"),
        ("(?=a)", "(?="),
        (r"(a)\1", r"\1"),
        ("a*", "matches where there is nothing"),
        (r"\b", "matches where there is nothing"),
        ("(?m)$", "matches where there is nothing"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_its_reason(regex: str, why: str) -> None:
    assert why in (problem_of(regex) or "")
    assert problem_of("a+") is None


def test_matches_of_nothing_are_passed_over() -> None:
    assert found(named(r"x*\B"), "\u00e9xxa") == [("e0", "xx")]


def test_other_expressions_have_another_version() -> None:
    made = [named("a"), named("b"), named("a", "b"), named("a", longest=64), named("a+")]
    assert len({scanner.version for scanner in made}) == len(made)
    assert named("a").version == named("a").version


def test_only_what_could_become_a_match_is_held() -> None:
    scanner = phrases("DROP TABLE", "rm -rf /")
    assert [scanner.hold(text) for text in ("hello", "hello dr", "drop \n", "\u00e9 rm -")] == [
        5, 6, 0, 2,
    ]  # fmt: skip
    assert scanner.hold("drop hello drop", 4) == 11


def test_what_only_re2_can_read_is_held_by_its_length() -> None:
    scanner = named(r"[\pL-]+1", longest=16)
    assert not scanner.holds_exactly
    assert scanner.hold("a" * 100) == 84
    assert scanner.hold("a" * 100, 95) == 95
    assert named("a+1").holds_exactly


ATOMS = ["a", "b", ".", "[ab]", r"\d", r"\s", r"\S", "é", "[^a]", r"\w", "1", r"\W", "(?i:b)"]
ends = st.sampled_from(["", "+", "?", "{2}", "{1,3}", "+?", "*"])
pieces = st.builds("{}{}".format, st.sampled_from(ATOMS), ends)
rows = st.lists(pieces, min_size=1, max_size=4).map("".join)
shapes = st.one_of(
    rows,
    st.builds("(?:{}|{})".format, rows, rows),
    st.builds("({}){}".format, rows, ends),
    st.builds(r"\b{}\b".format, rows),
    st.builds("{}$".format, rows),
    st.builds("(?m)^{}".format, rows),
    st.builds("^{}".format, rows),
)


@given(
    st.lists(shapes.filter(lambda shape: problem_of(shape) is None), min_size=1, max_size=3),
    st.text(alphabet="aaabbAB1 \né\v", max_size=24),
    st.lists(st.integers(0, 24), max_size=6),
)
def test_in_a_stream_the_same_is_found_however_it_is_cut(
    regexes: list[str], text: str, cuts: list[int]
) -> None:
    scanner = named(*regexes)
    assert in_pieces(scanner, text, [min(cut, len(text)) for cut in cuts]) == list(
        scanner.find(text)
    )


@given(st.text(alphabet="ab1 é", max_size=30), st.integers(0, 30))
def test_a_text_may_be_scanned_in_two_parts(text: str, at: int) -> None:
    scanner = named("ab+", r"\b1a?", "é b")
    whole = list(scanner.find(text))
    at = min(at, len(text))
    if not any(f.start < at < f.end for f in whole):
        assert [f for f in whole if f.start >= at] == list(scanner.find(text, at))


def test_the_most_phrases_that_a_rule_may_have_fit_in_one_scanner() -> None:
    texts = [f"forbidden project number {number} of the long list" for number in range(1000)]
    scanner = phrases(*texts)
    assert found(scanner, f"see {texts[777]}!") == [("e777", texts[777])]
    assert scanner.hold("see Forbidden proj") == 4
    assert scanner.hold("see nothing at all") == len("see nothing at all")


def test_many_matches_take_time_in_proportion() -> None:
    text = "é ab " * 20_000
    assert len(phrases("ab", "zz").find(text)) == 20_000
