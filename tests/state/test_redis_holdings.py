"""A server that forgets its latest writes is told them again, each once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from gateway.state import redis_holdings
from gateway.state.journal import Entry, replay
from gateway.state.redis import RedisStore
from gateway.state.store import Level, Store
from tests.state.conformance import bucket, budget
from tests.state.local_redis import AgeingClock, LocalRedis, needs_redis
from tests.state.model import StoreMachine

NUMBERS = itertools.count()

pytestmark = needs_redis


@dataclass(frozen=True)
class Copy:
    """All keys of a namespace as they were: name, type's own form, milliseconds left."""

    keys: tuple[tuple[bytes, bytes, int], ...]
    at: float
    entries: int
    """How long the journal was."""


class Past:
    """Copies of what a server held, as a replica has them that did not get the latest writes."""

    def __init__(self, client: redis.Redis, clock: AgeingClock, journal: list[Entry]) -> None:
        self._client, self._clock, self._journal = client, clock, journal
        self._pattern = clock._pattern
        self.copies: list[Copy] = []

    def keep(self) -> None:
        names = sorted(self._client.keys(self._pattern))
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.dump(name)
            pipe.pttl(name)
        told = pipe.execute()
        keys = tuple(zip(names, told[::2], told[1::2], strict=True))
        self.copies.append(Copy(keys, self._clock.now, len(self._journal)))

    def back(self, steps: int = 1) -> None:
        """The server is what it was so many copies ago, but for the time that has passed."""
        copy = self.copies[-1 - steps]
        del self.copies[len(self.copies) - steps :]
        del self._journal[copy.entries :]
        if names := self._client.keys(self._pattern):
            self._client.delete(*names)
        passed = round((self._clock.now - copy.at) * 1000)
        for name, value, left in copy.keys:
            if left < 0 or left > passed:
                self._client.restore(name, max(0, left - passed) if left >= 0 else 0, value)


@pytest.fixture
def journal() -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    yield entries
    assert replay(entries) == []


@pytest.fixture
def clock(redis_server: LocalRedis) -> AgeingClock:
    return AgeingClock(redis_server.client, f"forgets{next(NUMBERS)}.")


@pytest.fixture
def past(redis_server: LocalRedis, clock: AgeingClock, journal: list[Entry]) -> Past:
    return Past(redis_server.client, clock, journal)


@pytest.fixture
async def store(
    redis_server: LocalRedis, clock: AgeingClock, journal: list[Entry]
) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_server.place(clock._pattern.strip("*")), clock, journal.append)
    await store.open()
    yield store
    await store.close()


async def test_a_lost_reservation_is_reserved_again_before_anything_else_is_decided(
    store: RedisStore, past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    past.keep()
    running = await store.admit([budget(60), bucket(3)])
    past.keep()
    past.back()
    assert (await store.admit([budget(60)])).refusal is not None
    assert await store.peek("b") == Level(0, 60, 100)
    assert await store.settle(running.lease, [20, 1]) == (Level(20, 0, 100), Level(1, 0, 10))
    assert "has lost its latest writes" in caplog.text
    assert await store.settle(running.lease, [20, 1]) == ()


async def test_a_lost_settlement_is_made_again(store: RedisStore, past: Past) -> None:
    kept = await store.admit([budget(30)])
    past.keep()
    lost = await store.admit([budget(40)])
    await store.settle(kept.lease, [10])
    await store.settle(lost.lease, [15])
    past.keep()
    past.back()
    assert await store.peek("b") == Level(25, 0, 100)


async def test_what_was_given_back_is_not_charged(store: RedisStore, past: Past) -> None:
    await store.admit([budget(1)])
    task = asyncio.ensure_future(store.admit([budget(60)]))
    await asyncio.sleep(0)
    past.keep()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await store.peek("b") == Level(0, 1, 100)
    past.keep()
    past.back()
    assert await store.peek("b") == Level(0, 1, 100)


async def test_a_server_that_was_emptied_is_told_what_runs(
    store: RedisStore, past: Past, redis_server: LocalRedis, journal: list[Entry]
) -> None:
    await store.admit([budget(60)])
    redis_server.client.flushall()
    journal.clear()
    assert (await store.admit([budget(60)])).refusal is not None


async def test_a_lease_that_ran_out_meanwhile_is_charged_in_full(
    store: RedisStore, past: Past, clock: AgeingClock
) -> None:
    past.keep()
    lost = await store.admit([budget(60)])
    past.keep()
    past.back()
    clock.now += 61
    assert await store.peek("b") == Level(60, 0, 100)
    assert await store.settle(lost.lease, [5]) == ()
    assert await store.peek("b") == Level(60, 0, 100)


async def test_a_charge_of_what_ran_out_is_made_again_where_its_settlement_came_too_late(
    store: RedisStore, past: Past, clock: AgeingClock
) -> None:
    past.keep()
    late = await store.admit([budget(60), bucket(4, rate=(1, 3600))])
    clock.now += 61
    assert await store.settle(late.lease, [5, 1]) == ()
    past.keep()
    past.back()
    assert await store.peek("b") == Level(60, 0, 100)
    assert await store.peek("r") == Level(4, 0, 10)


async def test_a_server_that_forgets_while_it_is_told_is_told_again(
    store: RedisStore, past: Past
) -> None:
    past.keep()
    first = await store.admit([budget(10)])
    past.keep()
    await store.admit([budget(20)])
    past.keep()
    past.back(1)
    assert await store.peek("b") == Level(0, 30, 100)
    past.keep()
    past.back(2)
    assert await store.settle(first.lease, [1]) == (Level(1, 20, 100),)


async def test_only_the_lease_that_the_server_never_heard_of_is_charged_by_its_settlement(
    store: RedisStore, redis_server: LocalRedis, clock: AgeingClock, journal: list[Entry]
) -> None:
    """Lost without a sign of it: what a process forgot when its history was too long for it."""
    name = clock._pattern.strip("*")
    admission = await store.admit([budget(60), bucket(4)])
    client, keys = redis_server.client, f"{{{name}}}:*:"
    for key in (
        client.keys(f"{keys}c:*") + client.keys(f"{keys}held") + client.keys(f"{keys}leases")
    ):
        client.delete(key)
    del journal[:]
    client.set(client.keys(f"{keys}serial")[0], 0)
    assert await store.settle(admission.lease, [20, 2]) == ()
    assert await store.peek("b") == Level(20, 0, 100)
    assert await store.peek("r") == Level(2, 0, 10)
    assert await store.settle(admission.lease, [20, 2]) == ()
    assert await store.peek("b") == Level(20, 0, 100)


async def test_a_renewal_of_an_unknown_lease_reserves_it_again(
    store: RedisStore, redis_server: LocalRedis, clock: AgeingClock, journal: list[Entry]
) -> None:
    admission = await store.admit([budget(60)])
    client, keys = redis_server.client, f"{{{clock._pattern.strip('*')}}}:*:"
    client.delete(*client.keys(f"{keys}c:*"), *client.keys(f"{keys}held"))
    client.delete(*client.keys(f"{keys}leases"))
    del journal[:]
    client.set(client.keys(f"{keys}serial")[0], 0)
    await store.renew([admission.lease, "no.such"])
    assert await store.peek("b") == Level(0, 60, 100)


# --- anything, forgotten at any time ---


class ForgetfulMachine(StoreMachine):
    """What was forgotten must not show in anything that is decided afterwards."""

    server: LocalRedis

    def make(self) -> Store:
        place = self.server.place(f"forgetful{next(NUMBERS)}.")
        self.clock = AgeingClock(self.server.client, place.namespace)
        self.past = Past(self.server.client, self.clock, self.entries)
        return RedisStore(place, self.clock, self.entries.append)

    @invariant()
    def keep_a_copy(self) -> None:
        """What a bucket gained, and when a rolling budget was spent, is not brought back."""
        self.past.keep()
        if self.dated():
            now = self.clock.now
            self.past.copies = [copy for copy in self.past.copies if copy.at == now]

    def dated(self) -> bool:
        names = [name for copy in self.past.copies for name, _, _ in copy.keys]
        return any(b":c:r" in name or b":c:w" in name for name in names)

    @precondition(lambda self: len(self.past.copies) > 1)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        steps = data.draw(st.integers(1, min(6, len(self.past.copies) - 1)))
        dated = self.dated()
        self.past.back(steps)
        if dated:
            self.peek_at("b0")


@pytest.fixture(autouse=True, scope="module")
def _server(redis_server: LocalRedis) -> Iterator[None]:
    ForgetfulMachine.server = redis_server
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_holdings, "HISTORY", 1e9)
        yield
    redis_server.client.flushall()


TestForgetting = ForgetfulMachine.TestCase
TestForgetting.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
