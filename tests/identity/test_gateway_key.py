"""Gateway keys: shape, hash, and what counts as one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import gateway_key


def test_a_new_key_has_the_shape_and_holds_256_bits() -> None:
    key = gateway_key.new_key()
    prefix, name, random = key.split("_", 2)
    assert prefix == "ptc"
    assert gateway_key.id_of(key) == name
    assert len(random) == 43
    assert 62 ** len(random) >= 2**256


def test_no_two_keys_are_alike() -> None:
    assert len({gateway_key.new_key() for _ in range(200)}) == 200


def test_what_is_kept_is_the_hash_of_the_whole_key() -> None:
    key = gateway_key.new_key()
    assert gateway_key.hash_of(key) == "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        ("Bearer ptc_abcd1234_x", True),
        ("bearer   ptc_abcd1234_x ", True),
        ("ptc_abcd1234_x", True),
        ("  ptc_", True),
        ("Bearer sk-proj-1", False),
        ("sk-ant-ptc_1", False),
        ("Bearer ", False),
        ("", False),
    ],
)
def test_what_claims_to_be_ours_is_treated_as_ours(value: str, ours: bool) -> None:
    assert gateway_key.is_gateway_key(value) is ours


@given(st.text(max_size=80))
def test_any_text_can_be_asked_about(text: str) -> None:
    gateway_key.id_of(text)
    gateway_key.hash_of(text)
    assert gateway_key.is_gateway_key("ptc_" + text)
    assert gateway_key.is_gateway_key("Bearer ptc_" + text)
