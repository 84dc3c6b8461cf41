"""Checks tell what is drawn by lot from words; proofs hold for true keys and for no others."""

import base64
import string
import uuid
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.secret_checks import CHECKS, PROOFS, entropy

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALPHABET = st.text(string.ascii_letters + string.digits, min_size=30, max_size=30)


def test_entropy_is_in_bits_a_character() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2


@pytest.mark.parametrize(
    ("check", "secret"),
    [
        ("varied", "AKIAIOSFODNN7EXAMPLE"),
        ("digits", "xoxb-123456789012-abcdef"),
        ("scrambled", "api_kd8j2h4jf9s8mf6l"),
        ("random", "aB3dE5gH7jK9mN1pQ4sT6vW8yZ0"),
        ("random", "123e4567-e89b-12d3-a456-426614174000"),
        ("random", "12345678901234567890123456789012"),
        ("random", "yqDVtkqPECriaLRi"),
        ("random", "7`!DjV@;vyr*Vp$hK4^T&qF"),
        ("random", "ABCDE12-34FGH56-IJK78LM-NOPQ90R"),
        ("password", "hunter2xyz"),
        ("chosen", "super$ecret"),
        ("numbered", "Sup3rS3cret"),
        ("header", "YWxhZGRpbjpvcGVuc2VzYW1l"),
        ("header", "mF9_B5f4.1JqM7x"),
    ],
)
def test_a_check_lets_a_secret_through(check: str, secret: str) -> None:
    assert CHECKS[check](secret)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("varied", "ghp_" + "x" * 36),
        ("varied", "xxxxxxxxxxxxxx.atlasv1.xxxxxxxxxxxxxxxxxxxxxx"),
        ("digits", "none"),
        ("scrambled", "my-tokens_are-correct38"),
        ("random", "onlyletterswithoutdigits"),
        ("random", "1234567890123456"),
        ("random", "getUserNameFromTokenStore"),
        ("random", "SalesResults-1.2"),
        ("random", "jjwt-jackson-0.11.2"),
        ("random", "com.apple.xpc.activity/4505"),
        ("random", "sha256_base64url_of_the_whole_table"),
        ("random", "YOUR_k3y_g0e5_h3re_a1b2c3"),
        ("password", "password"),
        ("password", "${DB_PASSWORD}"),
        ("chosen", "justletters"),
        ("chosen", "#add-password"),
        ("chosen", "arn:aws:iam::aws:policy/1"),
        ("numbered", "open_sesame"),
        ("numbered", "1000:1000"),
        ("header", "application/json"),
        ("jwt", "!!!.x.y"),
        ("jwt", "eyJhIjoxfQ.eyJhIjoxfQ.abcdefghijkl"),
    ],
)
def test_a_check_turns_words_and_placeholders_down(check: str, text: str) -> None:
    assert not CHECKS[check](text)


@given(st.uuids())
def test_any_uuid_beside_a_secrets_name_is_taken_for_one(value: uuid.UUID) -> None:
    assert CHECKS["random"](str(value)) == (
        entropy(str(value)) >= 3.0 and "0" * 8 not in str(value)
    )


def suffix(body: str) -> str:
    value, written = zlib.crc32(body.encode()), ""
    while value:
        value, place = divmod(value, 62)
        written = DIGITS[place] + written
    return written.rjust(6, "0")


@given(ALPHABET, st.sampled_from(["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_"]))
def test_the_crc_at_a_tokens_end_is_asked(body: str, prefix: str) -> None:
    right = suffix(body)
    assert PROOFS["crc32_suffix"](prefix + body + right)
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    assert not PROOFS["crc32_suffix"](prefix + body + wrong)


def test_a_token_without_a_crc_has_nothing_that_could_fail() -> None:
    assert PROOFS["crc32_suffix"]("github_pat_" + "a1B2" * 20)


def test_an_aws_key_id_is_base32() -> None:
    assert PROOFS["aws_key_id"]("AKIAIOSFODNN7EXAMPLE")
    assert not PROOFS["aws_key_id"]("AKIA3EXAMPLE7KEY1234")


def test_a_pypi_token_is_a_macaroon_with_a_signature() -> None:
    packets = b"\x02\x01\x0bexample.org\x02\x02id\x00\x00"
    whole = base64.urlsafe_b64encode(packets + b"\x06\x20" + bytes(range(32))).decode().rstrip("=")
    assert PROOFS["macaroon"](f"pypi-{whole}")
    assert not PROOFS["macaroon"](f"pypi-{whole[:-8]}")
    assert not PROOFS["macaroon"]("pypi-not.base64")


def test_bech32_as_bip_173_has_it() -> None:
    for right in ("A12UEL5L", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"):
        assert PROOFS["bech32"](right)
        assert not PROOFS["bech32"](right[:-1] + ("q" if right[-1] != "q" else "p"))


def test_a_discord_token_begins_with_its_bots_id() -> None:
    number = base64.b64encode(b"123456789012345678").decode().rstrip("=")
    assert PROOFS["discord"](f"{number}.abcdef.{'a' * 27}")
    assert not PROOFS["discord"](f"MAbCdEf{number}.abcdef.{'a' * 27}")
