"""What `?wait=` promises: an admission stands when replicas have it, and is given back if not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.state.journal import Entry, replay
from gateway.state.redis import RedisStore
from gateway.state.redis_url import Place
from gateway.state.store import Level, StoreError
from tests.state.conformance import budget
from tests.state.local_redis import LocalRedis, local_redis, needs_redis, synced, until

NUMBERS = itertools.count()

pytestmark = needs_redis


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[LocalRedis, LocalRedis]]:
    with (
        local_redis("repl-diskless-sync-delay 0") as primary,
        local_redis(f"replicaof 127.0.0.1 {primary.port}") as replica,
    ):
        synced(replica)
        yield primary, replica


def waiting(primary: LocalRedis, **more: int) -> Place:
    return replace(primary.place(f"wait{next(NUMBERS)}."), wait=1, **more)


async def test_an_admission_that_a_replica_has_stands(pair: tuple[LocalRedis, LocalRedis]) -> None:
    primary, _ = pair
    store = RedisStore(waiting(primary, wait_ms=300))
    await store.open()
    admission = await store.admit([budget(60)])
    assert await store.settle(admission.lease, [5]) == (Level(5, 0, 100),)
    primary.client.script_flush()
    assert (await store.admit([budget(60)])).levels == (Level(5, 60, 100),)
    assert store.away_since is None
    await store.close()


async def test_an_admission_that_no_replica_has_in_time_fails_and_is_given_back(
    pair: tuple[LocalRedis, LocalRedis],
) -> None:
    primary, _ = pair
    journal: list[Entry] = []
    store = RedisStore(replace(waiting(primary, wait_ms=5), wait=2), journal=journal.append)
    await store.open()
    with pytest.raises(StoreError, match="fewer than 2 replicas had it in 5 ms"):
        await store.admit([budget(60)])
    assert store.away_since is not None
    await until(store, "b", Level(0, 0, 100))
    assert replay(journal) == []
    await store.close()
