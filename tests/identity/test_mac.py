"""The keyed digest: an HMAC, cut, over parts that keep their borders."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.mac import LENGTH, mac

KEY = b"k" * 32


def test_it_is_an_hmac() -> None:
    expected = hmac.new(KEY, b'["a","bc"]', hashlib.sha256).hexdigest()
    assert mac(KEY, "a", "bc") == expected[:LENGTH]
    assert mac(KEY, "a", "bc") == expected[:LENGTH]


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_parts_do_not_run_into_each_other(one: list[str], two: list[str]) -> None:
    assert (mac(KEY, *one) == mac(KEY, *two)) == (one == two)


@given(st.binary(min_size=16, max_size=48), st.binary(min_size=16, max_size=48))
def test_another_key_is_another_digest(one: bytes, two: bytes) -> None:
    assert (mac(one, "a") == mac(two, "a")) == (one.rstrip(b"\0") == two.rstrip(b"\0"))


def test_lone_surrogates_are_text_too() -> None:
    assert mac(KEY, "\udcff") != mac(KEY, "\udcfe")
