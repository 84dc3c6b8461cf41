"""Servers that die, are replaced, or refuse to write, under load: calls fail soon and go on by
themselves, and no more is let through than what the old server had not sent on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.state.journal import Entry, replay
from gateway.state.redis import RedisStore
from gateway.state.redis_url import Place
from gateway.state.store import Claim, StoreError
from tests.state.local_redis import LocalRedis, local_redis, needs_redis, synced
from tests.state.redis_cluster import MASTERS, local_cluster

pytestmark = [needs_redis, pytest.mark.slow]

AMOUNT = 10
GATEWAYS, CALLERS = 4, 8
SOON = 3.0  # seconds: what is promised is 1, on a machine that does nothing else


@dataclass
class Load:
    """Callers of several gateways that spend one budget until it is gone."""

    place: Place
    limit: int
    journals: list[list[Entry]] = field(default_factory=list)
    stores: list[RedisStore] = field(default_factory=list)
    admitted: int = 0
    refused: int = 0
    failed: int = 0
    slowest_failure: float = 0.0
    stopped: bool = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        for _ in range(GATEWAYS):
            journal: list[Entry] = []
            store = RedisStore(self.place, journal=journal.append)
            await store.open()
            self.journals.append(journal)
            self.stores.append(store)
        tasks = [asyncio.ensure_future(self._call(s)) for s in self.stores for _ in range(CALLERS)]
        try:
            yield self
        finally:
            self.stopped = True
            await asyncio.gather(*tasks)
            for store in self.stores:
                await store.close()

    async def _call(self, store: RedisStore) -> None:
        claims = [Claim("b", AMOUNT, self.limit)]
        while not self.stopped:
            began = time.monotonic()
            try:
                admission = await store.admit(claims)
            except StoreError:
                self.failed += 1
                self.slowest_failure = max(self.slowest_failure, time.monotonic() - began)
                await asyncio.sleep(0.02)
                continue
            await asyncio.sleep(0.004)
            self.refused += admission.refusal is not None
            if admission.lease:
                self.admitted += 1
                with contextlib.suppress(StoreError):  # the store makes it good by itself
                    await store.settle(admission.lease, [AMOUNT])

    @property
    def brought_back(self) -> int:
        """What was reserved and had not reached the server that took over."""
        entries = [entry for journal in self.journals for entry in journal]
        return sum(each.amount for e in entries if e.op == "restore" for each in e.claims)

    async def until(self, done: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110  what is waited for happens on servers
                await asyncio.sleep(0.005)

    async def settled(self) -> int:
        """What is spent once nothing is reserved any more."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(StoreError):
                    level = await self.stores[0].peek("b")
                    if level is not None and not level.reserved:
                        return level.used
                await asyncio.sleep(0.02)


# --- a master that dies ---


async def cut_off(primary: LocalRedis, replica: LocalRedis) -> None:
    """From now on the replica gets nothing: it comes with a password where none is known."""
    replica.client.config_set("masterauth", "unknown")
    primary.client.execute_command("CLIENT", "KILL", "TYPE", "replica")


async def spend_through(load: Load, primary: LocalRedis, replica: LocalRedis) -> float:
    """Let the replica miss 500 calls, or all that there are, kill the primary, go on until the
    budget is spent; how long nobody was answered."""
    await load.until(lambda: load.admitted > 300)
    await cut_off(primary, replica)
    await load.until(lambda: load.admitted > 800 or load.failed)
    primary.stop()
    died = time.monotonic()
    await load.until(lambda: load.failed)
    if load.place.wait:  # nothing is admitted before there is a replica again
        await load.until(lambda: replica.client.info("replication")["role"] == "master")
        replica.client.config_set("masterauth", "")
        primary.start()
    before = load.admitted
    await load.until(lambda: load.admitted > before)
    back = time.monotonic() - died
    await load.until(lambda: load.refused)
    load.stopped = True
    return back


@pytest.mark.parametrize("wait", [0, 1])
async def test_a_cluster_that_fails_over_lets_no_more_through_than_it_had_not_sent_on(
    tmp_path: Path, wait: int
) -> None:
    with local_cluster(tmp_path, replicas=True, timeout_ms=500) as cluster:
        place = replace(cluster.place("failing"), wait=wait, wait_ms=50)
        owner = cluster.owner(place.namespace)
        load = Load(place, limit=9_000)
        async with load.running():
            back = await spend_through(load, cluster.nodes[owner], cluster.nodes[owner + MASTERS])
            used = await load.settled()
        check(load, used, back)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Place, LocalRedis, LocalRedis]]:
    """A primary, its replica, and three Sentinels."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(local_redis("repl-diskless-sync-delay 0"))
        replica = stack.enter_context(local_redis(f"replicaof 127.0.0.1 {primary.port}"))
        synced(replica)
        watch = f"sentinel monitor main 127.0.0.1 {primary.port} 2"
        terms = ["sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 2000"]
        sentinels = [LocalRedis(tmp_path / str(n), [watch, *terms]) for n in range(3)]
        for sentinel in sentinels:
            sentinel.start("--sentinel")
            stack.callback(sentinel.stop)
        deadline = time.monotonic() + 20
        while not all(_knows(sentinel) for sentinel in sentinels):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        hosts = tuple(("127.0.0.1", sentinel.port) for sentinel in sentinels)
        yield Place("sentinel", hosts, service="main", namespace="watched"), primary, replica


def _knows(sentinel: LocalRedis) -> bool:
    """Whether it has found the replica and both others."""
    (told,) = sentinel.client.sentinel_masters().values()
    return int(told["num-slaves"]) == 1 and int(told["num-other-sentinels"]) == 2


async def test_a_primary_that_sentinels_replace_lets_no_more_through_than_it_had_not_sent_on(
    watched: tuple[Place, LocalRedis, LocalRedis],
) -> None:
    place, primary, replica = watched
    load = Load(place, limit=9_000)
    async with load.running():
        back = await spend_through(load, primary, replica)
        used = await load.settled()
    check(load, used, back)


def check(load: Load, used: int, back: float) -> None:
    over, lost = used - load.limit, load.brought_back
    print(f"over by {over}, not replicated {lost}, of {load.limit}; no answers for {back:.1f} s")
    assert used == load.admitted * AMOUNT  # no usage is unpaid, none is paid twice
    assert lost > 0 or load.place.wait
    assert over <= (0 if load.place.wait else lost)
    assert load.slowest_failure < SOON


# --- a primary that works no more, or forgets its scripts ---


async def test_a_primary_that_becomes_a_replica_fails_calls_soon_until_it_is_one_no_more() -> None:
    with local_redis() as server, local_redis() as other:
        load = Load(server.place(), limit=10**9)
        async with load.running():
            await load.until(lambda: load.admitted > 100)
            server.client.replicaof("127.0.0.1", other.port)
            await load.until(lambda: load.failed > CALLERS)
            server.client.replicaof("NO", "ONE")
            before = load.admitted
            await load.until(lambda: load.admitted > before + 500)
            load.stopped = True
            await load.settled()
        assert load.slowest_failure < SOON


async def test_scripts_that_are_flushed_under_load_are_loaded_again() -> None:
    with local_redis() as server:
        load = Load(server.place(), limit=10**9)
        async with load.running():
            for _ in range(50):
                goal = load.admitted + 20
                await load.until(lambda goal=goal: load.admitted > goal)
                server.client.script_flush()
            load.stopped = True
            used = await load.settled()
        assert load.failed == 0
        assert used == load.admitted * AMOUNT
        assert replay([entry for journal in load.journals for entry in journal]) == []
