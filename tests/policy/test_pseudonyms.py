"""Values there and back: stable, apart from each other, and only within their own scope."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import pseudonyms
from gateway.policy.pseudonyms import Pseudonyms, StandInScanner, TooManyError, without_stand_ins
from gateway.verdict import Finding
from tests.detectors.windows import in_pieces

ENTITIES = ["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS", "PERSON"]
VALUES = st.lists(
    st.tuples(
        st.sampled_from(ENTITIES),
        st.booleans(),
        st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    ),
    min_size=1,
    max_size=12,
)
KEY = b"k" * 32


KINDS = frozenset((entity, like) for entity in ENTITIES for like in (False, True))


def scanner_of(made: Pseudonyms) -> StandInScanner:
    scanner = made.scanner(KINDS)
    assert scanner is not None
    return scanner


def put_back(made: Pseudonyms, text: str) -> str:
    scanner = scanner_of(made)
    pieces, at = [], 0
    for finding in scanner.find(text):
        pieces += (text[at : finding.start], scanner.value(text[finding.start : finding.end]))
        at = finding.end
    return "".join([*pieces, text[at:]])


@given(VALUES)
def test_every_value_comes_back(values: list[tuple[str, bool, str]]) -> None:
    made = Pseudonyms()
    said = [made.stand_in(entity, value, KEY, plausible=like) for entity, like, value in values]
    assert put_back(made, " | ".join(said)) == " | ".join(value for _, _, value in values)


@given(VALUES)
def test_the_same_value_has_the_same_stand_in_turn_after_turn(
    values: list[tuple[str, bool, str]],
) -> None:
    first, second = Pseudonyms(), Pseudonyms()
    for entity, like, value in values:
        once = first.stand_in(entity, value, KEY, plausible=like)
        assert once == first.stand_in(entity, value, KEY, plausible=like)
        assert once == second.stand_in(entity, value, KEY, plausible=like)


@given(VALUES, st.lists(st.integers(0, 400), max_size=10))
def test_a_stream_cut_anywhere_is_restored_alike(
    values: list[tuple[str, bool, str]], cuts: list[int]
) -> None:
    made = Pseudonyms()
    text = ", then ".join(made.stand_in(e, v, KEY, plausible=like) for e, like, v in values)
    scanner = scanner_of(made)
    assert in_pieces(scanner, text, cuts) == list(scanner.find(text))


def test_a_stand_in_of_another_session_stays_as_it_is() -> None:
    theirs, ours = Pseudonyms(), Pseudonyms()
    foreign = theirs.stand_in("EMAIL_ADDRESS", "jane@example.org", b"a" * 32, plausible=False)
    own = ours.stand_in("EMAIL_ADDRESS", "jane@example.org", KEY, plausible=False)
    assert own != foreign
    assert put_back(ours, f"{foreign} {own}") == f"{foreign} jane@example.org"


def test_fifty_people_in_one_session_stay_apart() -> None:
    made = Pseudonyms()
    people = [f"person{number}@example.org" for number in range(50)]
    said = {made.stand_in("EMAIL_ADDRESS", one, KEY, plausible=True): one for one in people}
    assert len(said) == 50
    assert all(put_back(made, stand_in) == one for stand_in, one in said.items())


def test_values_whose_stand_ins_would_be_the_same_get_different_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A keyed digest with few values stands for the odds that nobody can wait for."""

    def digest(key: bytes, said: bytes, name: str) -> bytes:
        return bytes([hashlib.sha256(key + said).digest()[0] % 4]) * 32

    monkeypatch.setattr(pseudonyms.hmac, "digest", digest)
    made = Pseudonyms()
    people = [f"p{number}@example.org" for number in range(4)]
    said = [made.stand_in("EMAIL_ADDRESS", one, KEY, plausible=False) for one in people]
    assert len(set(said)) == 4
    assert put_back(made, " ".join(said)) == " ".join(people)


def test_what_a_session_kept_comes_back_in_a_later_call() -> None:
    first = Pseudonyms()
    said = first.stand_in("US_SSN", "536-22-8765", KEY, plausible=True)
    later = Pseudonyms()
    later.load(first.entries)
    assert put_back(later, f"It is {said}.") == "It is 536-22-8765."


def test_only_stand_ins_of_the_kinds_asked_for_are_found() -> None:
    made = Pseudonyms()
    said = made.stand_in("PERSON", "Jane", KEY, plausible=False)
    scanner = made.scanner(frozenset({("PERSON", False), ("US_SSN", False)}))
    assert scanner is not None
    assert [finding.entity for finding in scanner.find(said)] == ["PERSON"]
    assert made.scanner(frozenset({("US_SSN", False), ("PERSON", True)})) is None


def test_a_call_with_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "MOST", 2)
    made = Pseudonyms()
    for value in ("a", "b", "a"):
        made.stand_in("PERSON", value, KEY, plausible=False)
    with pytest.raises(TooManyError):
        made.stand_in("PERSON", "c", KEY, plausible=False)


def test_a_stand_in_is_given_none_of_its_own() -> None:
    made = Pseudonyms()
    said = made.stand_in("EMAIL_ADDRESS", "jane@example.org", KEY, plausible=True)
    text = f"{said} and joe@example.org"
    found = [Finding("EMAIL_ADDRESS", 0, len(said)), Finding("EMAIL_ADDRESS", len(said) + 5, 33)]
    kinds = frozenset({("EMAIL_ADDRESS", True)})
    assert without_stand_ins(text, found, kinds) == [found[1]]
    assert without_stand_ins("nothing", (), kinds) == ()
