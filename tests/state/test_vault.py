"""What is sealed opens only with its key and in its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.vault import Vault

VAULT = Vault(b"k" * 32)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_comes_back(plain: bytes, context: str) -> None:
    context = context.encode("utf-8", "ignore").decode()
    sealed = VAULT.seal(plain, context)
    assert VAULT.open(sealed, context) == plain
    assert len(sealed) == len(plain) + 28
    assert len(plain) < 4 or plain not in sealed


@given(st.binary(max_size=60))
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(ValueError):
        VAULT.open(sealed, "here")


def test_another_place_key_or_a_changed_byte_does_not_open() -> None:
    sealed = VAULT.seal(b"value", "here")
    changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for vault, value, context in (
        (VAULT, sealed, "there"),
        (Vault(b"x" * 32), sealed, "here"),
        (VAULT, changed, "here"),
    ):
        with pytest.raises(ValueError):
            vault.open(value, context)


def test_the_same_value_is_sealed_otherwise_each_time() -> None:
    assert VAULT.seal(b"value", "here") != VAULT.seal(b"value", "here")
