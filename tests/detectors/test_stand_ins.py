"""Stand-ins look as they should, and are known again however a model bends them."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.presidio_entities import ENTITIES
from gateway.detectors.stand_ins import ALPHABET, LENGTH, PLAUSIBLE, form_of, forms, luhn, token

DIGESTS = st.binary(min_size=16, max_size=16)
VALUES = {
    "EMAIL_ADDRESS": "jane@example.org",
    "CREDIT_CARD": "5555-5555-5555-4444",
    "PHONE_NUMBER": "+49 30 1234567",
    "US_SSN": "536-22-8765",
    "IP_ADDRESS": "10.2.3.4",
    "IBAN_CODE": "DE89370400440532013000",
}
KINDS = st.tuples(st.sampled_from(sorted(VALUES)), st.booleans())


@given(DIGESTS)
def test_a_token_has_letters_that_nobody_misreads(digest: bytes) -> None:
    assert len(token(digest)) == LENGTH
    assert set(token(digest)) <= set(ALPHABET)


@given(KINDS, DIGESTS)
def test_a_stand_in_is_known_again(kind: tuple[str, bool], digest: bytes) -> None:
    form = form_of(*kind)
    made = form.make(digest, VALUES[kind[0]])
    text = f"I wrote to {made}, and waited."
    (known,) = forms(frozenset({kind})).find(text)
    assert text[known.start : known.end] == made
    assert (known.entity, known.plain) == (kind[0], form.plain(made))


@pytest.mark.parametrize(
    "bent",
    [
        *("<email_address_7kq2m9xb>", "EMAIL_ADDRESS_7KQ2M9XB", "<EMAIL_ADDRESS_7KQ2M9XB"),
        *("email-address-7kq2m9xb", r"<EMAIL\_ADDRESS\_7KQ2M9XB>", "Email Address 7KQ2M9XB"),
        *(
            "&lt;EMAIL_ADDRESS_7KQ2M9XB&gt;",
            "%3CEMAIL_ADDRESS_7KQ2M9XB%3E",
            "EMAIL_ADDRESS_7KQ2M9XB>",
        ),
    ],
)
def test_what_a_model_bends_is_still_known(bent: str) -> None:
    text = f"({bent}).x"
    (known,) = forms(frozenset({("EMAIL_ADDRESS", False)})).find(text)
    assert known.plain == "7KQ2M9XB"
    assert text[: known.start] + text[known.end :] == "().x"


@pytest.mark.parametrize(
    "other", ["EMAIL_ADDRESS_7KQ2M9XBZ", "XEMAIL_ADDRESS_7KQ2M9XB", "EMAIL_7KQ2M9XB", "7KQ2M9XB"]
)
def test_what_only_resembles_one_is_not(other: str) -> None:
    assert forms(frozenset({("EMAIL_ADDRESS", False)})).find(other) == []


@given(st.sampled_from(sorted(PLAUSIBLE)), DIGESTS)
def test_a_plausible_stand_in_belongs_to_nobody(entity: str, digest: bytes) -> None:
    made = form_of(entity, True).make(digest, VALUES[entity])
    digits = re.sub(r"\D", "", made)
    if entity == "EMAIL_ADDRESS":
        assert made.endswith("@stand-in.example")
    elif entity == "CREDIT_CARD":
        assert digits.startswith("400000")
        assert luhn(digits[:-1]) == digits[-1]
        assert [len(part) for part in made.split("-")] == [4, 4, 4, 4]
    elif entity == "PHONE_NUMBER":
        assert re.fullmatch(r"\+1-[2-9][0-8]\d-555-01\d\d", made)
    elif entity == "US_SSN":
        assert re.fullmatch(r"000-\d\d-\d{4}", made)
    else:
        assert ip_address(made) in ip_network("198.18.0.0/15")


def test_the_luhn_digit_is_that_of_the_standard() -> None:
    assert luhn("7992739871") == "3"
    assert luhn("411111111111111") == "1"


@given(KINDS, DIGESTS, st.text(alphabet=" <>_%;&abE1", max_size=6), st.data())
def test_a_stand_in_is_held_from_its_start_while_it_grows(
    kind: tuple[str, bool], digest: bytes, before: str, data: st.DataObject
) -> None:
    made = form_of(*kind).make(digest, VALUES[kind[0]])
    text = f"{before} {made}"
    scanner = forms(frozenset({kind}))
    for known in scanner.find(text + " "):
        cut = data.draw(st.integers(known.start + 1, known.end))
        assert scanner.hold(text[:cut]) <= known.start


def test_every_entity_has_a_form() -> None:
    for entity in ENTITIES:
        made = form_of(entity, True).make(b"\x07" * 16, "x")
        assert forms(frozenset({(entity, True)})).find(made)
