"""However a text is cut, the window decides the same, and holds back as little as it can."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.content_rule import ContentRule, Scanner
from gateway.policy.text_window import KEPT, Seen, TextWindow
from gateway.verdict import Action
from tests.policy.fakes import Broken, FakeRule, Numbers, Quotes, Words

WORDS = Words("abc", "abcab", "cab", "bb", "a1")
TEXT = st.text(alphabet="abc1<> ", max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=12)


def rule(scanner: Scanner, mark: str = "r") -> ContentRule:
    return FakeRule(scanner, Action.REWRITE, mark)


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def scan(rules: Sequence[ContentRule], parts: Sequence[str]) -> tuple[TextWindow, list[Seen]]:
    window = TextWindow(rules)
    seen: list[Seen] = []
    for part in parts:
        window.push(part)
        seen += window.advance()
    seen += window.advance(final=True)
    return window, seen


def plain(seen: Sequence[Seen]) -> list[tuple[str, int, int, bool]]:
    return [(s.rule.ref.id, s.start, s.end, s.late) for s in seen]


RULES = [rule(WORDS, "words"), rule(Numbers(), "numbers"), rule(Quotes(), "quotes")]


@given(TEXT, CUTS, st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True))
@settings(max_examples=600, deadline=None)
def test_every_split_finds_what_the_whole_text_holds(
    text: str, cuts: list[int], rules: list[ContentRule]
) -> None:
    whole = sorted(
        (
            (each.ref.id, finding.start, finding.end, False)
            for each in rules
            for finding in each.scanner.find(text)
        ),
        key=lambda found: (found[1], -found[2]),
    )
    window, seen = scan(rules, pieces(text, cuts))
    assert window.decided == len(text)
    assert sorted(plain(seen), key=lambda found: (found[1], -found[2])) == sorted(
        whole, key=lambda found: (found[1], -found[2])
    )
    assert plain(scan(rules, [text])[1]) == plain(seen)


@given(TEXT, CUTS)
@settings(max_examples=300, deadline=None)
def test_nothing_is_held_that_cannot_become_a_match(text: str, cuts: list[int]) -> None:
    """What is held begins where the scanner says that something grows, or with a whole finding
    that this would cut."""
    for each in RULES:
        window = TextWindow([each])
        so_far = ""
        for part in pieces(text, cuts):
            so_far += part
            window.push(part)
            window.advance()
            limit = each.scanner.hold(so_far)
            for finding in reversed(each.scanner.find(so_far)):
                if finding.start < limit < finding.end:
                    limit = finding.start
            assert window.decided == limit


def test_a_word_is_held_while_it_grows_and_no_longer() -> None:
    window = TextWindow([rule(Words("secret"))])
    for piece, decided in (("my ", 3), ("sec", 3), ("o", 7), ("nd se", 10), ("cret", 16)):
        window.push(piece)
        window.advance()
        assert window.decided == decided


def test_what_follows_can_undo_a_match() -> None:
    window = TextWindow([rule(Numbers())])
    window.push("12345")
    assert window.advance() == []
    assert window.decided == 0
    window.push("67")
    assert window.advance() == []
    assert window.decided == 7


# --- beyond the longest match ---------------------------------------------------------------


@given(st.integers(1, 512), st.integers(0, 30), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_a_match_of_up_to_the_longest_is_found_by_every_split(
    inner: int, before: int, step: int
) -> None:
    text = "." * before + "<" + "x" * (inner - 2) + ">" + "tail" if inner > 1 else "<>"
    _, seen = scan([rule(Quotes())], [text[i : i + step] for i in range(0, len(text), step)])
    start = text.index("<")
    assert plain(seen) == [("r", start, text.index(">") + 1, False)]


def test_never_more_is_held_than_the_longest_match() -> None:
    window = TextWindow([rule(Quotes(longest=10))])
    for _ in range(40):
        window.push("<xxx")
        window.advance()
        assert window.end - window.decided <= 10


def test_a_longer_match_that_arrives_in_pieces_is_late() -> None:
    text = "<" + "x" * 600 + "> and more"
    _, seen = scan([rule(Quotes())], list(text))
    (late,) = seen
    assert late.late
    assert late.end == 602
    assert late.start == 601 - 512  # the rest had been let go by then


def test_a_longer_match_that_arrives_at_once_is_found_as_it_is() -> None:
    _, seen = scan([rule(Quotes())], ["<" + "x" * 600 + "> and more"])
    assert plain(seen) == [("r", 0, 602, False)]


def test_a_short_match_inside_of_what_grows_too_long_is_found_before_it_goes() -> None:
    rules = [rule(Quotes(longest=20), "quotes"), rule(Words("word"), "words")]
    for each in rules:
        each.scanner.longest = 20
    text = "<.word" + "." * 60
    window, seen = scan(rules, list(text))
    assert plain(seen) == [("words", 2, 6, False)]
    assert window.decided == len(text)


def test_a_finding_of_the_same_rule_inside_of_what_grows_too_long_is_late() -> None:
    """Something longer may be there: the finding alone does not say all."""

    class Both(Quotes):
        def find(self, text: str, start: int = 0) -> list:  # type: ignore[type-arg]
            found = [*super().find(text, start), *Words("word").find(text, start)]
            return sorted(found, key=lambda finding: finding.start)[:1]

    window = TextWindow([rule(Both(longest=20))])
    seen: list[Seen] = []
    for char in "<.word" + "." * 60:
        window.push(char)
        seen += window.advance()
    assert plain(seen) == [("r", 2, 6, True)]


def test_a_finding_that_waits_for_a_growth_behind_it_is_not_let_go_undecided() -> None:
    """The growth begins inside of the finding and never ends; the finding stands all the same."""

    class Nested:
        version, longest = "nested", 20

        def find(self, text: str, start: int = 0) -> Sequence:  # type: ignore[type-arg]
            return Words("hello").find(text, start)

        def hold(self, text: str, start: int = 0) -> int:
            at = text.find("lo", start)
            return at if at >= 0 else Words("hello").hold(text, start)

    _, seen = scan([rule(Nested())], list("say hello" + "x" * 40))
    assert plain(seen) == [("r", 4, 9, False)]


def test_what_grows_without_end_counts_as_a_match_at_last() -> None:
    window = TextWindow([rule(Quotes())])
    window.push("<")
    seen: list[Seen] = []
    for _ in range(KEPT // 64 + 8):
        window.push("x" * 64)
        seen += window.advance()
        assert len(window._text) <= KEPT + 64 + 64
    (late,) = seen
    assert late.late
    assert late.finding is None


# --- rules that fail ------------------------------------------------------------------------


def test_a_scanner_that_raises_is_asked_no_more_and_the_others_go_on() -> None:
    for hold_too in (False, True):
        broken, good = rule(Broken("b", hold_too=hold_too), "x"), rule(Words("abc"), "good")
        window = TextWindow([broken, good])
        seen: list[Seen] = []
        for piece in ("x a", "bc y", " abc z"):
            window.push(piece)
            seen += window.advance()
        seen += window.advance(final=True)
        assert plain(seen) == [("good", 2, 5, False), ("good", 8, 11, False)]
        ((failed, error),) = window.failed
        assert failed is broken
        assert isinstance(error, ValueError)


def test_a_window_without_rules_lets_everything_go() -> None:
    window = TextWindow([])
    window.push("anything")
    assert window.advance() == []
    assert window.decided == 8
