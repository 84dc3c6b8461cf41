"""A process that counts by itself while its store is away, and pays everything back, once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.state import sqlite_turns
from gateway.state import standby as module
from gateway.state.journal import Entry, replay
from gateway.state.ledger import LEASE_SECONDS
from gateway.state.memory import MemoryStore
from gateway.state.sqlite import SqliteStore
from gateway.state.standby import StandbyStore
from gateway.state.store import Admission, Claim, Level, Standby, Store, StoreError
from tests.state.conformance import Clock, Conformance, bucket, budget, place
from tests.state.fickle import Fickle

WHOLE = Fraction(1)
TENTH = Fraction(1, 10)


class TestItIsAStore(Conformance):
    @pytest.fixture
    async def store(self, clock: Clock, journal: list[Entry]) -> AsyncIterator[StandbyStore]:
        store = StandbyStore(Fickle(clock, journal.append), clock)
        await store.open()
        yield store
        await store.close()

    async def size(self, store: Store) -> int:
        assert isinstance(store, StandbyStore)
        inner = store._store
        assert isinstance(inner, MemoryStore)
        return len(inner._counters) + len(inner._values)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal() -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    yield entries
    assert replay(entries) == []


@pytest.fixture
def inner(clock: Clock, journal: list[Entry]) -> Fickle:
    return Fickle(clock, journal.append)


@pytest.fixture
async def store(inner: Fickle, clock: Clock) -> AsyncIterator[StandbyStore]:
    store = StandbyStore(inner, clock)
    yield store
    inner.come()
    await store.close()


async def without(store: StandbyStore, *claims: Claim, share: Fraction | None = WHOLE) -> Admission:
    """What a call gets that the store does not answer."""
    with pytest.raises(StoreError):
        await store.admit(claims)
    return store.take(claims, [share] * len(claims))


async def paid(store: StandbyStore) -> None:
    async with asyncio.timeout(10):
        while store.pending:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_it_stands_by(store: StandbyStore) -> None:
    assert isinstance(store, Standby)
    assert not isinstance(Fickle(lambda: 0.0), Standby)


async def test_what_was_used_meanwhile_is_charged_to_the_store(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.go()
    for used in (3, 4):
        admission = await without(store, budget(10), bucket(1))
        await store.settle(admission.lease, [used, 1])
    assert (store.admitted, store.refused, store.outages) == (2, 0, 1)
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(7, 0, 100)
    assert await inner.peek("r") == Level(2, 0, 10)


async def test_it_is_charged_even_where_it_does_not_fit(store: StandbyStore, inner: Fickle) -> None:
    lease = (await store.admit([budget(95)])).lease
    inner.go()
    admission = await without(store, budget(30), share=None)
    await store.settle(admission.lease, [30])
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(30, 95, 100)
    await store.settle(lease, [95])
    assert await inner.peek("b") == Level(125, 0, 100)
    assert (await store.admit([budget(1)])).refusal is not None


async def test_the_share_is_this_processes_part_of_the_gateways(
    inner: Fickle, clock: Clock
) -> None:
    store = StandbyStore(inner, clock, workers=2)
    inner.go()
    assert (await without(store, budget(6), share=TENTH)).refusal is not None
    assert (await without(store, budget(5), share=TENTH)).refusal is None
    assert (store.admitted, store.refused) == (1, 1)
    await store.close()


async def test_a_budget_gives_away_no_more_than_it_had_left(
    store: StandbyStore, inner: Fickle
) -> None:
    await store.settle((await store.admit([budget(97)])).lease, [97])
    await store.admit([budget(1)])
    inner.go()
    assert (await without(store, budget(3))).refusal is not None
    assert (await without(store, budget(2))).refusal is None


async def test_the_share_is_whole_again_at_the_next_outage(
    store: StandbyStore, inner: Fickle
) -> None:
    for spent in (10, 20):
        inner.go()
        admission = await without(store, budget(10), share=TENTH)
        await store.settle(admission.lease, [10])
        assert (await without(store, budget(1), share=TENTH)).refusal is not None
        inner.come()
        await paid(store)
        assert await inner.peek("b") == Level(spent, 0, 100)


async def test_the_share_is_not_given_twice_while_it_is_not_paid(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.go()
    await store.settle((await without(store, budget(10), share=TENTH)).lease, [10])
    inner.presence.found()  # somebody got an answer, but the charge does not
    await asyncio.sleep(0.01)
    assert (await without(store, budget(1), share=TENTH)).refusal is not None
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(10, 0, 100)


# --- calls that outlive the outage ---


async def test_a_call_that_runs_on_has_its_reservation_in_the_store(
    store: StandbyStore, inner: Fickle, clock: Clock
) -> None:
    inner.go()
    lease = (await without(store, budget(10), place(), bucket(2))).lease
    await store.renew([lease])  # it has none there: the store is not asked
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(0, 10, 100)
    assert await inner.peek("c") == Level(0, 1, 2)
    assert await inner.peek("r") == Level(2, 0, 10)
    clock.now += LEASE_SECONDS - 1
    await store.renew([lease])
    clock.now += LEASE_SECONDS - 1
    await store.settle(lease, [4, 1, 2])
    assert await inner.peek("b") == Level(4, 0, 100)
    assert await inner.peek("c") == Level(0, 0, 2) or await inner.peek("c") is None


async def test_a_call_that_ends_while_it_is_moved_is_paid_once(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.go()
    lease = (await without(store, budget(10))).lease
    inner.pause = 0.02
    inner.come()
    await asyncio.sleep(0.01)
    await store.settle(lease, [3])
    await paid(store)
    assert await inner.peek("b") == Level(3, 0, 100)


async def test_a_call_that_ends_while_its_move_fails_is_paid_once(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.go()
    lease = (await without(store, budget(10))).lease

    inner.pause = 0.02
    before = Fickle.admit

    async def admit(claims: object) -> Admission:
        await asyncio.sleep(0.02)
        inner.admit = before.__get__(inner)  # type: ignore[method-assign]
        raise StoreError("lost")

    inner.admit = admit  # type: ignore[method-assign]
    inner.come()
    await asyncio.sleep(0.01)
    await store.settle(lease, [3])
    await paid(store)
    assert await inner.peek("b") == Level(3, 0, 100)


async def test_a_call_from_before_the_outage_is_settled_after_it(
    store: StandbyStore, inner: Fickle
) -> None:
    lease = (await store.admit([budget(10)])).lease
    inner.go()
    with pytest.raises(StoreError):
        await store.settle(lease, [4])
    assert store.pending == 1
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(4, 0, 100)


async def test_a_settlement_is_not_kept_longer_than_its_lease(
    store: StandbyStore, inner: Fickle, clock: Clock
) -> None:
    lease = (await store.admit([budget(10)])).lease
    inner.go()
    with pytest.raises(StoreError):
        await store.settle(lease, [4])
    clock.now += LEASE_SECONDS
    inner.come()
    await paid(store)
    assert [name for name, _ in inner.asked].count("settle") == 1
    assert await inner.peek("b") == Level(10, 0, 100)


# --- exactly once ---


async def test_a_charge_whose_settlement_is_lost_is_charged_once(
    store: StandbyStore, inner: Fickle, clock: Clock
) -> None:
    inner.go()
    await store.settle((await without(store, budget(7))).lease, [7])
    inner.lose = ["settle"]
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(7, 0, 100)
    clock.now += 2 * LEASE_SECONDS
    assert await inner.peek("b") == Level(7, 0, 100)


async def test_calls_wait_until_what_was_used_here_counts(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.go()
    await store.settle((await without(store, budget(100))).lease, [100])
    inner.pause = 0.01
    inner.come()
    assert (await store.admit([budget(1)])).refusal is not None


async def test_but_not_for_ever(
    store: StandbyStore, inner: Fickle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT", 0.001)
    inner.go()
    await store.settle((await without(store, budget(1))).lease, [1])
    inner.pause = 0.05
    inner.come()
    assert (await store.admit([budget(1)])).refusal is None


async def test_nobody_waits_for_what_was_refused_here(
    store: StandbyStore, inner: Fickle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT", 60.0)
    inner.go()
    assert (await without(store, budget(50), share=TENTH)).refusal is not None
    inner.come()
    async with asyncio.timeout(10):
        assert (await store.admit([budget(1)])).refusal is None
    assert store.pending == 0


async def test_a_store_that_is_back_without_a_word_is_tried(
    store: StandbyStore, inner: Fickle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    inner.go()
    await store.settle((await without(store, budget(5))).lease, [5])
    inner.away = False  # nobody is told
    await paid(store)
    assert await inner.peek("b") == Level(5, 0, 100)


async def test_many_keys_are_charged_in_several_turns(store: StandbyStore, inner: Fickle) -> None:
    inner.go()
    leases = []
    for number in range(300):
        admission = await without(
            store, budget(2, key=f"k{number}"), budget(2, key="all", limit=900)
        )
        leases.append(admission.lease)
    for lease in leases[:200]:
        await store.settle(lease, [1, 1])
    inner.come()
    await paid(store)
    for lease in leases[200:]:
        await store.settle(lease, [1, 1])
    assert await inner.peek("all") == Level(300, 0, 900)
    assert {(await inner.peek(f"k{number}")) for number in range(300)} == {Level(1, 0, 100)}


async def test_what_is_owed_is_paid_before_it_closes(inner: Fickle, clock: Clock) -> None:
    store = StandbyStore(inner, clock)
    inner.go()
    await store.settle((await without(store, budget(5))).lease, [5])
    inner.away = False
    await store.close()
    assert await inner.peek("b") == Level(5, 0, 100)


async def test_what_cannot_be_paid_when_it_closes_is_told(
    inner: Fickle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = StandbyStore(inner, clock)
    inner.go()
    await store.settle((await without(store, budget(5))).lease, [5])
    with caplog.at_level(logging.ERROR):
        await store.close()
    assert "1 counters and settlements" in caplog.text


async def test_whatever_happens_every_amount_is_counted_once(
    inner: Fickle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls begin and end while the store comes and goes and loses what it is asked."""
    monkeypatch.setattr(module, "_AGAIN", 0.002)
    dice = random.Random(5)
    store = StandbyStore(inner, clock)
    used = 0

    async def call() -> None:
        nonlocal used
        claims = [budget(9, limit=10**9)]
        try:
            lease = (await store.admit(claims)).lease
        except StoreError:
            lease = store.take(claims, [None]).lease
        await asyncio.sleep(dice.random() * 0.02)
        amount = dice.randrange(9)
        used += amount
        with contextlib.suppress(StoreError):
            await store.settle(lease, [amount])

    async def weather() -> None:
        for _ in range(20):
            await asyncio.sleep(dice.random() * 0.01)
            inner.pause = dice.choice([0.0, 0.003])
            inner.lose = dice.choices(["settle", "admit"], k=dice.randrange(3))
            if dice.random() < 0.5:
                inner.go()
            else:
                inner.come()

    blowing = asyncio.ensure_future(weather())
    calls = []
    for _ in range(400):
        calls.append(asyncio.ensure_future(call()))
        await asyncio.sleep(0.0005)
    await asyncio.gather(blowing, *calls)
    inner.lose, inner.pause = [], 0.0
    inner.come()
    await paid(store)
    assert await inner.peek("b") == Level(used, 0, 10**9)
    assert store.admitted > 0
    await store.close()


async def test_a_locked_file_is_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_turns, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    store = StandbyStore(SqliteStore(tmp_path / "state.db", time.time), time.time)
    await store.open()
    before = (await store.admit([budget(10)])).lease
    other = sqlite3.connect(tmp_path / "state.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        await store.settle(before, [1])
    ended = await without(store, budget(10))
    await store.settle(ended.lease, [2])
    runs_on = await without(store, budget(10))
    assert store.away_since is not None
    other.execute("ROLLBACK")
    other.close()
    await paid(store)
    assert await store.peek("b") == Level(3, 10, 100)
    await store.settle(runs_on.lease, [4])
    assert await store.peek("b") == Level(7, 0, 100)
    await store.close()
