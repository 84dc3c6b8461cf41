"""Nothing is counted twice, and nothing is lost, when answers are."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator

import pytest

from gateway.state import redis_counters
from gateway.state.journal import Entry, replay
from gateway.state.redis import RedisStore
from gateway.state.redis_url import Place
from gateway.state.store import Cause, Level, StoreError
from tests.state.conformance import budget
from tests.state.local_redis import LocalRedis, local_redis, needs_redis, until
from tests.state.lossy import Lossy

NUMBERS = itertools.count()

pytestmark = needs_redis


@pytest.fixture
async def relay(redis_server: LocalRedis) -> AsyncIterator[Lossy]:
    async with Lossy(redis_server.port) as relay:
        yield relay


def place(relay: Lossy) -> Place:
    return Place("standalone", (("127.0.0.1", relay.port),), namespace=f"lost{next(NUMBERS)}.")


async def test_an_admission_whose_answer_was_lost_is_counted_once(relay: Lossy) -> None:
    journal: list[Entry] = []
    store = RedisStore(place(relay), journal=journal.append)
    await store.open()
    relay.answers_to_lose = 1
    admission = await store.admit([budget(60)])
    assert relay.lost == 1
    assert admission.levels == (Level(0, 60, 100),)
    assert (await store.admit([budget(40)])).lease
    assert await store.peek("b") == Level(0, 100, 100)
    assert replay(journal) == []
    await store.close()


async def test_a_settlement_whose_answer_was_lost_is_counted_once(relay: Lossy) -> None:
    store = RedisStore(place(relay))
    await store.open()
    admission = await store.admit([budget(60)])
    relay.answers_to_lose = 1
    assert await store.settle(admission.lease, [20]) == (Level(20, 0, 100),)
    assert relay.lost == 1
    await store.close()


async def test_a_refusal_whose_answer_was_lost_is_told_as_it_was(relay: Lossy) -> None:
    store = RedisStore(place(relay))
    await store.open()
    relay.answers_to_lose = 1
    refused = await store.admit([budget(101)])
    assert refused.refusal is not None
    assert refused.refusal.cause is Cause.SPENT
    assert (await store.admit([budget(1)])).serial == refused.serial + 1
    await store.close()


async def test_an_admission_that_nobody_heard_of_is_given_back(relay: Lossy) -> None:
    store = RedisStore(place(relay))
    await store.open()
    relay.answers_to_lose = 1000
    with pytest.raises(StoreError):
        await store.admit([budget(60)])
    assert relay.lost > 1
    relay.answers_to_lose = 0
    await _answers(store)
    assert (await store.admit([budget(100)])).lease
    await store.close()


async def test_a_batch_that_was_given_up_has_no_effect_when_it_comes_late() -> None:
    """The server stands still, and finds both the old batch and the new one when it goes on."""
    with local_redis() as server:
        store = RedisStore(server.place())
        await store.open()
        server.signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match="in time"):
            await store.admit([budget(60)])
        server.signal(signal.SIGCONT)
        await _answers(store)
        assert (await store.admit([budget(100)])).lease
        await store.close()


async def test_a_settlement_that_was_refused_is_made_when_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_counters, "_AGAIN", 0.05)
    with local_redis() as server:
        store = RedisStore(server.place())
        await store.open()
        told: list[bool] = []
        store.watch(told.append)
        admission = await store.admit([budget(60)])
        server.client.config_set("maxmemory", 1)
        with pytest.raises(StoreError, match="no memory left"):
            await store.settle(admission.lease, [7])
        with pytest.raises(StoreError, match="no memory left"):
            await store.admit([budget(1, key="other")])
        assert store.away_since is not None
        server.client.config_set("maxmemory", 0)
        await until(store, "b", Level(7, 0, 100))
        assert await store.peek("other") is None
        assert (store.away_since, told) == (None, [True, False])
        await store.close()


async def _answers(store: RedisStore) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await store.peek("b")
            except StoreError:
                await asyncio.sleep(0.02)
            else:
                return
