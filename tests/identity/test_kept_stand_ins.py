"""Stand-ins outlive a call where the provider keeps the history, and only for who got them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange, Identity
from gateway.identity import kept_stand_ins
from gateway.identity.kept_stand_ins import KeptStandIns
from gateway.message import Headers, Request
from gateway.policy.pseudonymize import pseudonyms_of
from gateway.state.memory import MemoryStore
from gateway.state.store import StoreError

KEY = b"k" * 32
NOW = 1_700_000_000.0


def call(*, answer: str = "", credential: str = "c1", **body: Any) -> Exchange:
    raw = json.dumps({"model": "gpt-4o", "input": "Hello", **body}).encode()
    request = Request("POST", "/v1/responses", Headers(), raw)
    exchange = Exchange("x1", request, NOW)
    exchange.identity = Identity(tenant="acme", credential=credential, session="s")
    exchange.call = DIALECTS["openai_responses"].decode(request, raw)
    exchange.answer_id = answer
    return exchange


class Turns:
    """Calls one after the other, over one store."""

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: NOW)
        self.failed: list[str] = []
        self.kept = KeptStandIns(self.store, KEY, self.failed.append)

    def say(self, exchange: Exchange, *values: str) -> None:
        for value in values:
            pseudonyms_of(exchange).stand_in("PERSON", value, KEY, plausible=False)
        asyncio.run(self.kept.keep(exchange, 60))

    def known(self, exchange: Exchange) -> set[str]:
        asyncio.run(self.kept.load(exchange))
        return (
            {value for *_, value in exchange.pseudonyms.entries} if exchange.pseudonyms else set()
        )


def test_what_continues_an_answer_knows_its_stand_ins() -> None:
    turns = Turns()
    turns.say(call(answer="resp_1"), "Jane")
    second = call(answer="resp_2", previous_response_id="resp_1")
    assert turns.known(second) == {"Jane"}
    turns.say(second, "Joe")
    assert turns.known(call(previous_response_id="resp_2")) == {"Jane", "Joe"}
    assert turns.known(call(previous_response_id="resp_1")) == {"Jane"}


def test_a_conversation_keeps_them_under_its_own_id() -> None:
    turns = Turns()
    turns.say(call(answer="resp_1", conversation="conv_9"), "Jane")
    assert turns.known(call(conversation={"id": "conv_9"})) == {"Jane"}


def test_nobody_else_gets_them() -> None:
    turns = Turns()
    turns.say(call(answer="resp_1"), "Jane")
    assert turns.known(call(previous_response_id="resp_1", credential="c2")) == set()
    assert turns.known(call(previous_response_id="resp_9")) == set()


def test_what_the_provider_does_not_keep_is_not_kept_here() -> None:
    turns = Turns()
    turns.say(call(answer="resp_1", store=False), "Jane")
    assert turns.known(call(previous_response_id="resp_1")) == set()


def test_many_values_are_kept_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_stand_ins, "PIECE", 50)
    turns = Turns()
    people = {f"person {number}" for number in range(30)}
    turns.say(call(answer="resp_1"), *people)
    assert turns.known(call(previous_response_id="resp_1")) == people


def test_the_store_sees_neither_values_nor_ids() -> None:
    turns = Turns()
    seen: list[tuple[str, bytes]] = []
    put = turns.store.put

    async def watched(key: str, value: bytes, ttl: float) -> None:
        seen.append((key, value))
        await put(key, value, ttl)

    turns.store.put = watched  # type: ignore[method-assign]
    turns.say(call(answer="resp_1"), "Jane of Nowhere")
    assert seen
    assert "resp_1" not in str(seen)
    assert b"Nowhere" not in seen[0][1]


def test_another_master_key_opens_nothing() -> None:
    turns = Turns()
    turns.say(call(answer="resp_1"), "Jane")
    place = turns.kept._place(call(), "resp_1")
    sealed = asyncio.run(turns.store.get(f"{place}:0"))
    assert sealed is not None
    turns.kept = KeptStandIns(turns.store, b"x" * 32, turns.failed.append)
    other = turns.kept._place(call(), "resp_1")
    asyncio.run(turns.store.put(f"{other}:0", sealed, 60))
    assert turns.known(call(previous_response_id="resp_1")) == set()


def test_a_store_that_is_away_stops_nothing_and_shows() -> None:
    turns = Turns()

    async def fail(*_: object) -> None:
        raise StoreError("gone")

    turns.store.put = fail  # type: ignore[assignment]
    turns.store.get = fail  # type: ignore[assignment]
    turns.say(call(answer="resp_1"), "Jane")
    assert turns.known(call(previous_response_id="resp_1")) == set()
    assert turns.failed == ["stand_ins", "stand_ins"]
