"""Which headers travel: all, but for those of one hop, credentials and our own."""

from __future__ import annotations

import pytest

from gateway.message import Headers
from gateway.proxy.headers import (
    CREDENTIALS,
    HOP_BY_HOP,
    drop_context,
    readable_only,
    to_caller,
    to_upstream,
)


def up(*items: tuple[str, str], credential: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    """What upstream sees; a value that begins with `ptc_` is a gateway key."""
    return to_upstream(
        Headers(items),
        drop_credentials=lambda name, value: "ptc_" in value,
        credential=credential,
    ).items


def test_unknown_headers_pass_as_they_came_in_their_order() -> None:
    items = [
        ("User-Agent", "OpenAI/Python 3.52.0"),
        ("anthropic-beta", "a,b"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("traceparent", "00-0-0-01"),
        ("Content-Encoding", "gzip"),
    ]
    assert up(*items) == items
    assert to_caller(Headers(items)).items == items


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_headers_of_one_hop_stay_there(name: str) -> None:
    assert up((name.title(), "x")) == []
    assert to_caller(Headers([(name.title(), "x")])).items == []


def test_what_a_connection_header_names_belongs_to_that_hop() -> None:
    items = [
        ("Connection", "close, X-Hop"),
        ("connection", "x-other"),
        ("x-hop", "1"),
        ("X-Other", "2"),
        ("x-kept", "3"),
    ]
    assert up(*items) == [("x-kept", "3")]
    assert to_caller(Headers(items)).items == [("x-kept", "3")]


def test_lengths_and_the_host_are_made_anew() -> None:
    items = [("Host", "127.0.0.1:8484"), ("Content-Length", "9"), ("Expect", "100-continue")]
    assert up(*items) == []
    assert to_caller(Headers([("Content-Length", "9")])).items == []


def test_what_the_caller_tells_the_gateway_stays_with_it() -> None:
    assert up(("x-portcullis-user", "ann"), ("X-Portcullis-Task", "t")) == []


def test_only_the_gateway_speaks_as_the_gateway() -> None:
    forged = Headers([("X-Portcullis-Verdict", "allow"), ("x-request-id", "r1")])
    assert to_caller(forged).items == [("x-request-id", "r1")]


@pytest.mark.parametrize("name", sorted(CREDENTIALS))
def test_the_callers_own_key_passes_and_a_gateway_key_never_does(name: str) -> None:
    assert up((name, "sk-own")) == [(name, "sk-own")]
    assert up((name, "Bearer ptc_1_x")) == []


def test_an_upstreams_credential_takes_the_place_of_every_key() -> None:
    keys = [(name.title(), "sk-own") for name in CREDENTIALS]
    credential = ("authorization", "Bearer sk-operator")
    assert up(*keys, ("x-kept", "1"), credential=credential) == [("x-kept", "1"), credential]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", "GZIP;q=0.8"),
        ("br", "identity"),
        ("identity", "identity"),
    ],
)
def test_upstream_is_asked_only_for_what_rules_can_read(asked: str, kept: str) -> None:
    headers = Headers([("accept-encoding", asked)])
    readable_only(headers, stream=False)
    assert headers.get("accept-encoding") == kept
    readable_only(headers, stream=True)
    assert headers.get("accept-encoding") == "identity"


def test_who_asks_for_no_encoding_is_not_given_one() -> None:
    headers = Headers([("accept", "*/*")])
    readable_only(headers, stream=True)
    assert headers.items == [("accept", "*/*")]


def test_a_credential_in_a_header_of_its_own_is_the_only_one_there() -> None:
    items = [("X-Tool-Key", "callers"), ("Authorization", "Bearer x"), ("x-tool-key", "again")]
    assert up(*items, credential=("x-tool-key", "own")) == [("x-tool-key", "own")]


def test_a_trace_that_is_not_passed_on_leaves_nothing_of_itself() -> None:
    headers = Headers([("Traceparent", "00-1"), ("tracestate", "a"), ("Baggage", "b"), ("x", "y")])
    drop_context(headers)
    drop_context(headers)
    assert headers.items == [("x", "y")]
