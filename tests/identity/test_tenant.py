"""Who is calling: keys, refusals, assertions, and what never goes upstream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.policy_file import PolicyFile
from gateway.errors import CallerError
from gateway.exchange import Identity
from gateway.identity.gateway_key import hash_of, new_key
from gateway.identity.tenant import (
    CREDENTIAL_HEADERS,
    GatewayKey,
    KeyRing,
    identify,
    is_stripped,
)
from gateway.message import Headers
from gateway.verdict import Reason

KEY = new_key()
OTHER = new_key()
DIGEST = b"d" * 32
NOW = 1_700_000_000.0
RING = KeyRing(
    [
        GatewayKey("acme", "bot", hash_of(KEY), "support", frozenset({"user", "task"})),
        GatewayKey("beta", "old", hash_of(OTHER), "", frozenset(), expires=NOW - 1),
    ]
)


def who(*headers: tuple[str, str], default: str | None = "local") -> Identity:
    return identify(Headers(headers), RING, default, NOW, DIGEST)


def refused(*headers: tuple[str, str], default: str | None = "local") -> CallerError:
    with pytest.raises(CallerError) as caught:
        who(*headers, default=default)
    return caught.value


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer {KEY}"),
        ("X-Api-Key", KEY),
        ("x-goog-api-key", KEY),
        ("api-key", KEY),
    ],
)
def test_a_gateway_key_proves_tenant_and_agent(header: tuple[str, str]) -> None:
    identity = who(header, default=None)
    assert (identity.tenant, identity.agent, identity.key_name) == ("acme", "support", "bot")
    assert identity.key_id == KEY.split("_")[1]
    assert identity.verified == {"tenant", "agent"}
    assert identity.credential == ""


def test_the_ring_is_built_from_the_policy_file() -> None:
    policy = PolicyFile.model_validate(
        {
            "version": 1,
            "upstreams": {"openai": {"provider": "openai", "url": "https://api.openai.com"}},
            "tenants": {
                "acme": {
                    "keys": [
                        {
                            "name": "bot",
                            "hash": hash_of(KEY),
                            "agent": "support",
                            "may_assert": ["user"],
                            "expires": "2027-01-31",
                        }
                    ],
                    "policies": ["p"],
                }
            },
            "policies": {"p": {"rules": []}},
        }
    )
    ring = KeyRing.build(policy)
    found = ring.find(KEY)
    assert found == GatewayKey(
        "acme", "bot", hash_of(KEY), "support", frozenset({"user"}), 1_801_353_600.0
    )
    assert ring.find(OTHER) is None
    assert len(ring) == 1


@pytest.mark.parametrize(
    "value", ["ptc_", "ptc_abcd1234_short", KEY + "x", KEY[:-1], f"{KEY}, {KEY}", "ptc_ä_x"]
)
def test_a_key_that_claims_to_be_ours_is_valid_or_refused(value: str) -> None:
    error = refused(("authorization", f"Bearer {value}"))
    assert (error.status, error.reason) == (401, Reason.KEY_INVALID)
    assert value not in error.message or value == "ptc_"


def test_an_expired_key_says_so() -> None:
    error = refused(("x-api-key", OTHER))
    assert (error.status, error.reason) == (401, Reason.KEY_EXPIRED)


def test_a_key_lasts_up_to_its_expiry() -> None:
    ring = KeyRing([GatewayKey("acme", "k", hash_of(KEY), expires=NOW)])
    headers = Headers([("x-api-key", KEY)])
    assert identify(headers, ring, None, NOW - 0.001, DIGEST).tenant == "acme"
    with pytest.raises(CallerError):
        identify(headers, ring, None, NOW, DIGEST)


def test_without_a_key_the_default_tenant_is_meant() -> None:
    identity = who()
    assert (identity.tenant, identity.agent, identity.verified) == ("local", "", frozenset())


@pytest.mark.parametrize("headers", [(), (("authorization", "Bearer sk-theirs"),)])
def test_without_a_default_tenant_a_key_is_asked_for(headers: tuple[tuple[str, str], ...]) -> None:
    error = refused(*headers, default=None)
    assert (error.status, error.reason) == (401, Reason.KEY_MISSING)


def test_a_provider_key_is_known_by_a_keyed_digest_only() -> None:
    one = who(("authorization", "Bearer sk-theirs"))
    assert one.credential
    assert "sk-theirs" not in one.credential
    assert one.credential == who(("x-api-key", "sk-theirs")).credential
    assert one.credential != who(("authorization", "Bearer sk-else")).credential
    other_key = identify(Headers([("x-api-key", "sk-theirs")]), RING, "local", NOW, b"e" * 32)
    assert other_key.credential != one.credential


def test_a_gateway_key_and_a_provider_key_travel_together() -> None:
    identity = who(("authorization", f"Bearer {KEY}"), ("x-api-key", "sk-ant-theirs"))
    assert identity.tenant == "acme"
    assert identity.credential


def test_a_bad_gateway_key_does_not_hide_behind_another_header() -> None:
    error = refused(("x-api-key", "sk-theirs"), ("X-Api-Key", "ptc_nope"))
    assert error.reason is Reason.KEY_INVALID


def test_two_different_gateway_keys_are_refused_and_one_twice_is_not() -> None:
    assert refused(("authorization", f"Bearer {KEY}"), ("x-api-key", OTHER)).status == 401
    assert who(("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)).tenant == "acme"


def test_what_the_key_may_assert_is_taken_as_asserted() -> None:
    identity = who(
        ("x-api-key", KEY), ("X-Portcullis-User", " alice "), ("x-portcullis-task", "refund 7")
    )
    assert (identity.user, identity.task) == ("alice", "refund 7")
    assert "user" not in identity.verified


@pytest.mark.parametrize(
    "headers",
    [
        (("x-api-key", KEY), ("x-portcullis-feature", "chat")),
        (("x-portcullis-user", "alice"),),
        (("authorization", "Bearer sk-1"), ("x-portcullis-task", "t")),
    ],
)
def test_what_may_not_be_asserted_is_refused(headers: tuple[tuple[str, str], ...]) -> None:
    error = refused(*headers)
    assert (error.status, error.reason) == (400, Reason.ASSERTION_DENIED)


def test_an_empty_assertion_is_none() -> None:
    assert who(("x-portcullis-user", "  ")).user == ""


@pytest.mark.parametrize("value", ["a" * 257, "a\x00b", "a\u202eb", "\udcff", "a\tb"])
def test_an_assertion_is_short_and_printable(value: str) -> None:
    error = refused(("x-api-key", KEY), ("x-portcullis-user", value))
    assert (error.status, error.reason) == (400, Reason.ASSERTION_DENIED)
    assert value not in error.message


@pytest.mark.parametrize("own", [True, False])
def test_a_gateway_key_is_never_forwarded(own: bool) -> None:
    for name in CREDENTIAL_HEADERS:
        assert is_stripped(name, f"Bearer {KEY}", upstream_has_credential=own)
        assert is_stripped(name, "ptc_broken", upstream_has_credential=own)


def test_a_provider_key_passes_only_where_the_upstream_has_none() -> None:
    assert is_stripped("authorization", "Bearer sk-1", upstream_has_credential=True)
    assert not is_stripped("authorization", "Bearer sk-1", upstream_has_credential=False)
    assert not is_stripped("anthropic-beta", "Bearer sk-1", upstream_has_credential=True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*sorted(CREDENTIAL_HEADERS), "Authorization", "accept"]),
            st.sampled_from([KEY, OTHER, f"Bearer {KEY}", "sk-1", "Bearer sk-2", "ptc_x", ""]),
        ),
        max_size=5,
    )
)
def test_only_a_valid_key_makes_a_caller_of_a_tenant(headers: list[tuple[str, str]]) -> None:
    claims = {
        value.removeprefix("Bearer ")
        for name, value in headers
        if name.lower() in CREDENTIAL_HEADERS and "ptc_" in value
    }
    try:
        identity = identify(Headers(headers), RING, "local", NOW, DIGEST)
    except CallerError:
        assert claims
        assert claims != {KEY}
    else:
        assert identity.tenant == ("acme" if claims else "local")
        assert not claims - {KEY}


def test_a_gateway_key_in_the_query_proves_the_same_and_a_broken_one_ends_the_call() -> None:
    def by_query(*keys: str, default: str | None = None) -> Identity:
        return identify(Headers(), RING, default, NOW, DIGEST, keys)

    identity = by_query(KEY)
    assert (identity.tenant, identity.agent, identity.credential) == ("acme", "support", "")
    for keys in (("ptc_broken",), (KEY, OTHER)):
        with pytest.raises(CallerError) as caught:
            by_query(*keys, default="local")
        assert caught.value.status == 401


def test_a_key_in_the_query_and_one_in_a_header_are_of_one_caller() -> None:
    header = identify(Headers([("x-goog-api-key", "AIza")]), RING, "local", NOW, DIGEST)
    query = identify(Headers(), RING, "local", NOW, DIGEST, ["AIza"])
    assert header.credential == query.credential != ""
    with pytest.raises(CallerError, match="two different gateway keys"):
        identify(Headers([("x-api-key", KEY)]), RING, None, NOW, DIGEST, [OTHER])


def test_what_a_session_came_to_is_one_of_a_few_words() -> None:
    ring = KeyRing([GatewayKey("acme", "bot", hash_of(KEY), may_assert=frozenset({"outcome"}))])

    def told(word: str) -> str:
        headers = Headers([("x-api-key", KEY), ("x-portcullis-outcome", word)])
        return identify(headers, ring, None, 0.0, b"k").outcome

    assert told("escalated") == "escalated"
    with pytest.raises(CallerError, match="expected one of success, failure, escalated"):
        told("great")
    with pytest.raises(CallerError, match="may not say what the outcome is"):
        identify(Headers([("x-portcullis-outcome", "success")]), ring, "acme", 0.0, b"k")
