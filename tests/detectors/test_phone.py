"""The quick phone recognizer finds what Presidio's own finds, and its filter misses nothing."""

import random

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_analyzer.predefined_recognizers import PhoneRecognizer, ZaMobileNumberRecognizer

from gateway.detectors.matcher import Matcher
from gateway.detectors.phone import LEAST_DIGITS, QuickPhone, patterns

OWN = PhoneRecognizer()
QUICK = QuickPhone(OWN)
MATCHER = Matcher(patterns(OWN.supported_regions))


def spans(recognizer, text):
    results = recognizer.analyze(text, ["PHONE_NUMBER"])
    return sorted((r.entity_type, r.start, r.end, r.score) for r in results)


EXAMPLES = [
    phonenumbers.format_number(number, style)
    for region in ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "AT", "JP", "ZA", "NZ")
    for kind in range(11)
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    for style in range(3)
]
PIECES = st.one_of(
    st.sampled_from(EXAMPLES),
    st.text(alphabet="0123456789", min_size=1, max_size=12),
    st.sampled_from(
        [" ", "-", ".", "/", "(", ")", "+", ", ", " x", " ext. 12", ":30", "a", "%", "$", "~",
         "2012-01-02 08", "12/03/2011", "\n", "\u0663", "\uff0b", "00", "49", "1640"]
    ),
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_same_spans_as_presidio(text):
    assert spans(QUICK, text) == spans(OWN, text)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_the_filter_hits_wherever_presidio_finds_a_number(text):
    if spans(OWN, text):
        assert MATCHER.hits(text)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_a_growing_number_is_held_from_its_start(text):
    for _, start, end, _ in spans(OWN, text):
        for cut in range(start + 1, end + 1):
            assert MATCHER.hold(text[:cut]) <= start


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_region_s_example_number_in_a_sentence(text):
    sentence = f"Call {text} today, since 2019."
    assert spans(QUICK, sentence) == spans(OWN, sentence)
    if spans(OWN, sentence):
        assert MATCHER.hits(sentence)


def test_short_numbers_of_a_few_digits_agree():
    for number in random.Random(7).sample(range(1, 10**6), 1500):
        text = f"n {number} and 0{number % 10_000}"
        assert spans(QUICK, text) == spans(OWN, text)
        if spans(OWN, text):
            assert MATCHER.hits(text)


def test_the_lengths_relied_upon_are_those_of_libphonenumber():
    shortest = {
        region: min(n for n in metadata.general_desc.possible_length if n > 0)
        for region in phonenumbers.SUPPORTED_REGIONS
        if (metadata := phonenumbers.PhoneMetadata.metadata_for_region(region)) is not None
    }
    assert min(shortest.values()) >= 4
    assert set(LEAST_DIGITS) == set(PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS)
    for region, digits in LEAST_DIGITS.items():
        if region != "DE":
            assert shortest[region] >= digits
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        assert metadata.international_prefix.startswith("0")


def test_a_region_without_known_lengths_gets_the_widest_filter():
    recognizer = ZaMobileNumberRecognizer()
    matcher = Matcher(patterns(recognizer.supported_regions))
    assert matcher.hits("082 123 4567")
    assert not matcher.hits("no 123 here")
