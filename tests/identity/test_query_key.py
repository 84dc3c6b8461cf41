"""Keys in a query: a gateway key is found however it is spelled, and never goes upstream."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.gateway_key import new_key
from gateway.identity.query_key import query_keys, without_keys

KEY = new_key()
PATH = "/v1beta/models/gemini-2.5-flash:generateContent"


def sent(target: str, provider: str = "gemini", *, own: bool = False) -> str:
    return without_keys(target, provider, upstream_has_credential=own)


@pytest.mark.parametrize("name", ["key", "$key", "%24key", "k%65y", "KEY", "access_token"])
def test_googles_parameters_carry_a_key(name: str) -> None:
    target = f"{PATH}?alt=sse&{name}=AIza-theirs&x=1"
    assert query_keys(target, "gemini") == ["AIza-theirs"]
    assert sent(target) == target
    assert sent(target, own=True) == f"{PATH}?alt=sse&x=1"


@pytest.mark.parametrize("value", [KEY, KEY.replace("p", "%70", 1), f"+{KEY}", f"Bearer+{KEY}"])
@pytest.mark.parametrize("provider", ["gemini", "openai", "http"])
def test_a_gateway_key_is_found_and_never_goes_upstream(value: str, provider: str) -> None:
    target = f"{PATH}?key={value}"
    (found,) = query_keys(target, provider)
    assert found.endswith(KEY)
    assert sent(target, provider) == sent(target, provider, own=True) == PATH


def test_both_keys_can_travel_together() -> None:
    target = f"{PATH}?key={KEY}&key=AIza-theirs"
    assert query_keys(target, "gemini") == [KEY, "AIza-theirs"]
    assert sent(target) == f"{PATH}?key=AIza-theirs"


@pytest.mark.parametrize("provider", ["openai", "http", "mcp"])
def test_elsewhere_such_a_name_may_mean_anything(provider: str) -> None:
    target = "/search?key=name%20of%20a%20column&access_token=t"
    assert query_keys(target, provider) == []
    assert sent(target, provider, own=True) == target


@pytest.mark.parametrize("target", [PATH, f"{PATH}?", f"{PATH}?alt=sse", f"{PATH}?key="])
def test_without_a_key_nothing_is_found(target: str) -> None:
    assert query_keys(target, "gemini") == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["alt", "key", "$key", "keys", "q"]), st.text(max_size=8)),
        max_size=6,
    ),
    st.booleans(),
)
def test_what_is_no_key_stays_byte_for_byte(pairs: list[tuple[str, str]], own: bool) -> None:
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    left = sent(f"{PATH}?{query}", own=own).partition("?")[2]
    names = ["alt", "keys", "q"] if own else ["alt", "key", "$key", "keys", "q"]
    kept = [f"{quote(name)}={quote(value)}" for name, value in pairs if name in names]
    assert left == "&".join(kept)
    assert parse_qsl(left, keep_blank_values=True) == [p for p in pairs if p[0] in names]
