"""What an operator brings finds what Presidio's PatternRecognizer finds, and ends."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_analyzer import PatternRecognizer

from gateway.detectors.own_recognizers import OwnRecognizer, Timed, TooSlow, check_regex
from gateway.detectors.presidio import PresidioScanner
from gateway.verdict import Finding

BROUGHT = [
    OwnRecognizer(
        "EMPLOYEE_ID",
        0.6,
        patterns=(("long", r"\bEMP-\d{6}\b", 0.6), ("short", r"(?<!\w)E\d{3,}(?=\s|$)", 0.2)),
    ),
    OwnRecognizer("PROJECT", 1.0, deny_list=("Blue Heron", "night owl", "X+", "ß")),
    OwnRecognizer("CASE", 0.5, patterns=(("case", r"^case [a-c]\s+\w+$", 0.5),), flags=8),
    OwnRecognizer("PAIR", 0.9, patterns=(("twice", r"(\w\d)\1|K(?i:el)vin", 0.9),)),
]
PIECES = ["EMP-123456", "EMP-12", "E123", "emp-999999", "Blue Heron", "NIGHT OWL", "X+", "x+", "ß"]
PIECES += ["SS", "case a  b", "Case b c", "a1a1", "\u212aelvin", "kELvin", "é", " ", "\n", "-", "_"]
PIECES += ["\x1c", "\u2028", "٣٣٣٣", "\ud800", "0", "aaaa", "case c\u00a0x"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("own", BROUGHT, ids=lambda own: own.entity)
def test_the_findings_are_those_of_presidios_own_class(own: OwnRecognizer, text: str) -> None:
    theirs = own.make(PatternRecognizer).analyze(text, [own.entity], None)
    assert set(SCANNERS[own.entity].overlapping(text)) == {
        Finding(each.entity_type, each.start, each.end, each.score) for each in theirs
    }


SCANNERS = {
    own.entity: PresidioScanner([own.entity], 0.0, context=False, own=[own]) for own in BROUGHT
}


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.data())
@settings(max_examples=200, deadline=None)
def test_a_text_in_two_pieces_gives_what_the_whole_one_gives(
    text: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(text)))
    scanner = ALL
    place = scanner.hold(text[:cut])
    first = [f for f in scanner.find(text[:cut]) if f.start < place]
    assert [*first, *scanner.find(text, place)] == list(scanner.find(text))


ALL = PresidioScanner([own.entity for own in BROUGHT], context=False, own=BROUGHT)


def test_context_words_raise_the_score() -> None:
    weak = OwnRecognizer(
        "BADGE", 0.1, patterns=(("digits", r"\b\d{4}\b", 0.1),), context=("badge",)
    )
    scanner = PresidioScanner(["BADGE"], own=[weak])
    assert [f.start for f in scanner.find("in 2024 with badge 1234")] == [19]


def test_presidios_own_recognizer_takes_other_context_words() -> None:
    own = OwnRecognizer("US_PASSPORT", 0.1, predefined=True, context=("reisepass",))
    scanner = PresidioScanner(["US_PASSPORT"], own=[own])
    assert scanner.find("Reisepass 912803456")
    assert not scanner.find("passport 912803456")


def test_another_definition_is_another_version() -> None:
    def version(regex: str) -> str:
        own = OwnRecognizer("A", 0.5, patterns=(("a", regex, 0.5),))
        return PresidioScanner(["A"], own=[own]).version

    assert version("abc") != version("abd")
    assert version("abc") == version("abc")


def test_an_expression_without_an_end_is_stopped_and_no_finding_is_made_up() -> None:
    timed = Timed(regex.compile(r"(?:a|a|ab)+\d"), limit=0.01)
    with pytest.raises(TooSlow):
        list(timed.finditer("a" * 5000 + "!"))


def test_what_presidio_would_skip_for_its_slowness_is_the_rules_failure() -> None:
    own = OwnRecognizer("SLOW", 0.5, patterns=(("slow", r"(?:a|a|ab)+\d", 0.5),))
    with pytest.raises(TooSlow):
        PresidioScanner(["SLOW"], own=[own]).find("a" * 5000 + "! a1")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(", "does not compile"),
        (r"\d*", "nothing at all"),
        ("(?:)", "nothing at all"),
        ("[[:alpha:]]+", "`regex` alone"),
        ("(?:foo){e<=1}", "`regex` alone"),
        (r"\p{Lu}+", "`re` reads"),
        ("x(?i)y", "`re` reads"),
        (f"(?<=a{'a' * 70})x", "looks back"),
        (f"(?:b|(?<!{'a' * 70}))x", "looks back"),
        ("a" * 5000, "longer than"),
    ],
)
def test_an_expression_that_cannot_be_run_is_told(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_regex(expression)


@pytest.mark.parametrize("expression", [r"\bA{2,3}\b", r"\N{EM DASH}x", r"(?<=no\. )\d+", "(?i)x"])
def test_what_can_be_run_is_taken(expression: str) -> None:
    check_regex(expression)
