"""Which calls belong together, as records and limits see it, on the wire."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.identity.gateway_key import hash_of, new_key
from gateway.state.store import StoreError
from tests.proxy.conftest import Bench, Start, chat
from tests.proxy.wire import answer

PER_SESSION = {"kind": "rate_limit", "per": "session", "requests": "2/hour"}


def who(bench: Bench, *headers: tuple[str, str], **body: Any) -> dict[str, Any]:
    """The record's word on a call's session."""
    reply = bench.post(chat(**body), headers)
    found: dict[str, Any] = bench.record(reply)["who"]
    return found


def test_a_session_that_the_caller_names_is_taken(start: Start) -> None:
    bench = start()
    first = who(bench, ("x-session-id", "run-1"))
    again = who(bench, ("x-session-id", "run-1"), text="Something else")
    other = who(bench, ("x-session-id", "run-2"))
    assert first["session_source"] == "x-session-id"
    assert first["session"] == again["session"] != other["session"]
    assert "run-1" not in str(first)


def test_without_a_name_it_is_derived_from_the_conversations_opening(start: Start) -> None:
    bench = start()
    opening = {"role": "user", "content": "Plan my trip."}
    later = [opening, {"role": "assistant", "content": "Where?"}, {"role": "user", "content": "A."}]
    first, again = who(bench, messages=[opening]), who(bench, messages=later)
    assert first["session_source"] == "derived"
    assert first["session"] == again["session"]
    assert who(bench, text="Write a poem.")["session"] != first["session"]


def test_nobody_enters_the_session_of_another_credential_or_tenant(start: Start) -> None:
    keys = [new_key(), new_key()]
    tenants: dict[str, Any] = {
        f"t{number}": {"keys": [{"name": "k", "hash": hash_of(key)}], "policies": ["p"]}
        for number, key in enumerate(keys)
    }
    tenants["local"] = {"policies": ["p"]}
    bench = start(tenants=tenants)
    named = ("x-session-id", "the-same")
    callers = [
        [],
        [("Authorization", "Bearer sk-one")],
        [("Authorization", "Bearer sk-two")],
        [("Authorization", f"Bearer {keys[0]}")],
        [("Authorization", f"Bearer {keys[1]}")],
    ]
    sessions = [who(bench, named, *caller)["session"] for caller in callers]
    assert len(set(sessions)) == len(callers)


def test_a_limit_per_session_counts_each_session(start: Start) -> None:
    bench = start(PER_SESSION)
    one, two = ("x-session-id", "1"), ("x-session-id", "2")
    statuses = [bench.post(chat(), [name]).status for name in (one, one, one, two)]
    assert statuses == [200, 200, 429, 200]


def test_an_answer_that_is_continued_stays_in_its_session(start: Start) -> None:
    said = {
        "id": "resp_77",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    bench = start(script=lambda got: answer(orjson.dumps(said)))

    def ask(**body: Any) -> dict[str, Any]:
        raw = orjson.dumps({"model": "gpt-4o", "input": "Hello", "store": True, **body})
        found: dict[str, Any] = bench.record(bench.post(raw, target="/v1/responses"))["who"]
        return found

    first = ask()
    again = ask(input="And then?", previous_response_id="resp_77")
    assert again["session_source"] == "previous_response_id"
    assert again["session"] == first["session"]


def lose_store(bench: Bench) -> None:
    """From now on the store answers nothing about sessions and limits."""

    async def fail(*_: object) -> None:
        raise StoreError("gone")

    for name in ("add", "get", "put", "admit"):
        setattr(bench.gateway.parts.store, name, fail)


def test_a_store_that_is_away_does_not_keep_calls_without_session_rules(start: Start) -> None:
    bench = start({"kind": "model", "allow": ["*"]})
    lose_store(bench)
    assert bench.post(chat()).status == 200


def test_a_store_that_is_away_stops_calls_whose_limit_cannot_be_checked(start: Start) -> None:
    bench = start(PER_SESSION)
    lose_store(bench)
    reply = bench.post(chat())
    assert (reply.status, reply.get("x-portcullis-reason")) == (503, "store_unavailable")
    assert reply.get("x-should-retry") == "false"
    assert bench.upstream.got == []
