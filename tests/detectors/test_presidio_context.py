"""Context words raise a weak match, as Presidio's own enhancer does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.presidio import PresidioScanner
from gateway.detectors.presidio_context import REACH, Context, stop_words, with_context
from gateway.detectors.presidio_entities import ENTITIES
from gateway.policy.kinds.pii import DEFAULT_ENTITIES
from tests.detectors.presidio_engine import DATA, Engine, texts
from tests.detectors.windows import in_pieces

SSN = PresidioScanner(["US_SSN"])


def test_a_weak_match_counts_where_a_word_before_it_says_what_it_is() -> None:
    assert SSN.find("order 536228765 shipped") == ()
    (found,) = SSN.find("his ssn is 536228765")
    assert found.score == pytest.approx(0.4)
    assert SSN.find("536228765 is his ssn") == ()  # Presidio looks at what stands before


def test_without_context_words_a_match_stands_alone() -> None:
    assert PresidioScanner(["US_SSN"], context=False).find("his ssn is 536228765") == ()


def test_stop_words_and_punctuation_do_not_count_among_the_five() -> None:
    near = "ssn, which is the one that he has had: now - and then - 536228765"
    assert SSN.find(near)
    assert SSN.find("ssn " + "word " * 4 + "536228765")
    assert SSN.find("ssn " + "word " * 5 + "536228765") == ()


def test_words_further_away_than_a_stream_looks_back_do_not_count() -> None:
    assert SSN.find("ssn" + " " * (REACH - 3) + "536228765")
    assert SSN.find("ssn" + " " * (REACH - 2) + "536228765") == ()


def test_half_a_word_at_the_edge_is_no_word() -> None:
    assert not Context(["card"]).supports("x" * 10 + "scard" + " " * (REACH - 4) + "4", REACH + 11)


def test_the_gain_is_presidio_s() -> None:
    assert (with_context(0.01), with_context(0.5), with_context(0.9)) == (0.4, 0.85, 1.0)


def test_the_stop_words_are_spacy_s() -> None:
    from spacy.lang.en.stop_words import STOP_WORDS

    assert stop_words() == STOP_WORDS


PIECES = st.lists(
    st.sampled_from(
        ["ssn", " ", "is", "536228765", ", ", "word", "536-22-8765", "the", ": ", "x" * 9]
    ),
    max_size=14,
).map("".join)


@given(PIECES, st.lists(st.integers(0, 120), max_size=8))
def test_a_text_in_pieces_gives_what_the_whole_one_gives(text: str, cuts: list[int]) -> None:
    assert in_pieces(SSN, text, cuts) == list(SSN.find(text))


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
def test_on_texts_at_hand_it_decides_as_presidio_with_a_blank_tokenizer() -> None:
    """Of all texts 0.2% differ, in scores alone: docs/kinds/pii.md."""
    engine = Engine(list(DEFAULT_ENTITIES), context=True)
    ours = PresidioScanner(DEFAULT_ENTITIES)
    for text in random.Random(2).sample(list(texts()), 200):
        theirs = {(entity, start, end) for entity, start, end, _ in engine.find(text, 0.4)}
        assert {(f.entity, f.start, f.end) for f in ours.overlapping(text)} == theirs, text


def test_every_entity_has_context_words() -> None:
    from gateway.detectors.presidio_loader import recognizer

    assert all(recognizer(known.recognizer)().context for known in ENTITIES.values())
