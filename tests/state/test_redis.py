"""The store in Redis: all that every store does, and what only a server can show."""

from __future__ import annotations

import asyncio
import itertools
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.state.journal import Entry, replay
from gateway.state.ledger import MICRO, MOST
from gateway.state.memory import MemoryStore
from gateway.state.redis import FORMAT, RedisStore
from gateway.state.store import Claim, Level, Store, StoreError
from tests.state.conformance import Clock, Conformance, bucket, budget
from tests.state.local_redis import AgeingClock, LocalRedis, local_redis, needs_redis, until
from tests.state.model import StoreMachine

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count()

pytestmark = needs_redis


@pytest.fixture
def namespace() -> str:
    return f"test{next(NUMBERS)}."


class TestRedis(Conformance):
    @pytest.fixture
    def clock(self, redis_server: LocalRedis, namespace: str) -> AgeingClock:
        return AgeingClock(redis_server.client, namespace)

    @pytest.fixture
    async def store(
        self,
        redis_server: LocalRedis,
        namespace: str,
        clock: AgeingClock,
        journal: list[Entry],
    ) -> AsyncIterator[Store]:
        store = RedisStore(redis_server.place(namespace), clock, journal.append)
        await store.open()
        yield store
        await store.close()

    async def size(self, store: Store) -> int:
        assert isinstance(store, RedisStore)
        assert store._open is not None
        redis, name = store._open[0]._client, store._place.namespace
        counters = await redis.keys(f"{{{name}}}:{FORMAT}:c:*")
        return len(counters) + len(await redis.keys(f"{name}:{FORMAT}:v:*"))

    async def test_everything_is_there_for_another_process(
        self, store: RedisStore, clock: AgeingClock
    ) -> None:
        open_lease = await store.admit([budget(60), bucket(4, rate=(1, 60))])
        done = await store.admit([budget(30)])
        await store.settle(done.lease, [20])
        await store.put("v", b"x", 30)
        other = RedisStore(store._place, clock)
        await other.open()
        assert await other.get("v") == b"x"
        assert await other.peek("b") == Level(20, 60, 100)
        assert await other.settle(open_lease.lease, [50, 3]) == (Level(70, 0, 100), Level(3, 0, 10))
        # The journal is that of one process; it has to know what the other one did.
        assert store._journal is not None
        claims = (budget(60), bucket(4, rate=(1, 60)))
        at = int(clock.now * MICRO)
        store._journal(Entry(4, at, "settle", open_lease.lease, claims, (50, 4)))
        await other.close()

    async def test_calls_of_one_turn_are_one_round_trip(
        self, store: RedisStore, redis_server: LocalRedis
    ) -> None:
        await store.admit([budget(1)])
        before = redis_server.client.info("commandstats")["cmdstat_evalsha"]["calls"]
        await asyncio.gather(*[store.admit([budget(1), bucket(0)]) for _ in range(64)])
        after = redis_server.client.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert after - before == 1

    async def test_values_of_one_turn_are_one_pipeline(self, store: RedisStore) -> None:
        puts = [store.put(f"v{number}", str(number).encode(), 30) for number in range(40)]
        await asyncio.gather(*puts)
        gets = [store.get(f"v{number}") for number in range(40)]
        assert await asyncio.gather(*gets) == [str(number).encode() for number in range(40)]

    async def test_a_put_of_another_process_is_seen(
        self, store: RedisStore, clock: AgeingClock
    ) -> None:
        other = RedisStore(store._place, clock)
        await other.open()
        waiting = asyncio.ensure_future(store.wait("v", 30))
        await other.put("v", b"x", 60)
        assert await waiting == b"x"
        await other.close()

    async def test_every_key_of_something_that_ends_has_an_end(
        self, store: RedisStore, clock: AgeingClock, redis_server: LocalRedis
    ) -> None:
        admission = await store.admit([bucket(3), budget(5, expires=int(clock.now) + 50)])
        await store.settle(admission.lease, [3, 5])
        await store.put("v", b"x", 30)
        client, name = redis_server.client, store._place.namespace
        keys = {key.decode(): client.ttl(key) for key in client.keys(f"*{name}*")}
        lasting = {f"{{{name}}}:{FORMAT}:serial"}
        assert len(keys) == 5
        assert {key for key, left in keys.items() if left < 0} == lasting

    async def test_scripts_are_loaded_again_after_a_flush(
        self, store: RedisStore, redis_server: LocalRedis
    ) -> None:
        await store.admit([budget(60)])
        redis_server.client.script_flush()
        assert (await store.admit([budget(60)])).refusal is not None
        assert (await store.admit([budget(40)])).lease
        assert await store.peek("b") == Level(0, 100, 100)

    async def test_a_call_before_open_or_after_close_is_an_error(
        self, store: RedisStore, clock: AgeingClock
    ) -> None:
        with pytest.raises(StoreError, match="not open"):
            await RedisStore(store._place, clock).admit([budget(1)])
        await store.close()
        await store.close()
        for call in (store.get("v"), store.peek("b"), store.settle("1.x", [1])):
            with pytest.raises(StoreError, match="not open"):
                await call

    async def test_closing_finishes_what_was_asked_for(
        self, store: RedisStore, clock: AgeingClock
    ) -> None:
        waiting = [asyncio.ensure_future(store.admit([budget(1)])) for _ in range(5)]
        await asyncio.sleep(0)
        await store.close()
        assert all(each.lease for each in await asyncio.gather(*waiting))

    async def test_a_key_that_somebody_else_wrote_is_an_error_that_takes_nothing(
        self, store: RedisStore, redis_server: LocalRedis
    ) -> None:
        redis_server.client.set(f"{{{store._place.namespace}}}:{FORMAT}:c:bad", "hello")
        with pytest.raises(StoreError, match="not what this version writes"):
            await store.admit([budget(60), budget(1, key="bad")])
        assert await store.peek("b") is None


class RedisMachine(StoreMachine):
    server: LocalRedis

    def make(self) -> Store:
        place = self.server.place(f"model{next(NUMBERS)}.")
        self.clock = AgeingClock(self.server.client, place.namespace)
        return RedisStore(place, self.clock, self.entries.append)


@pytest.fixture(autouse=True, scope="module")
def _server(redis_server: LocalRedis) -> Iterator[None]:
    RedisMachine.server = redis_server
    yield
    redis_server.client.flushall()


TestRedisModel = RedisMachine.TestCase
TestRedisModel.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


# --- numbers beyond what Lua counts ---

LARGEST = MOST // MICRO * MICRO
LARGE = st.one_of(
    st.integers(0, 40),
    st.integers(2**53 - 20, 2**53 + 20),
    st.integers(LARGEST - 20, LARGEST),
    st.integers(0, LARGEST),
)
WHOLE = st.one_of(
    st.integers(0, 40), st.integers(0, MOST // MICRO), st.integers(MOST // MICRO - 9, MOST // MICRO)
)
PACE = st.one_of(st.integers(1, 100), st.integers(1, MOST // MICRO))


@dataclass(frozen=True)
class Step:
    claim: Claim
    settled: int
    passed: int
    """Microseconds until the next step."""


STEPS = st.builds(
    Step,
    st.one_of(
        st.builds(Claim, st.sampled_from(["b0", "b1"]), LARGE, LARGE, shadow=st.booleans()),
        st.builds(Claim, st.just("w"), LARGE, LARGE, shadow=st.booleans(), rolling=st.just(30)),
        st.builds(
            Claim,
            st.sampled_from(["r0", "r1"]),
            WHOLE,
            WHOLE,
            refill=st.just((1, 1)),
            shadow=st.booleans(),
        ),
    ),
    LARGE,
    st.one_of(st.integers(0, 100), st.integers(0, 50_000_000)),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=1, max_size=12), pace=st.tuples(PACE, PACE))
def test_large_numbers_come_out_as_they_do_in_memory(
    steps: list[Step], pace: tuple[int, int]
) -> None:
    asyncio.run(_compare(RedisMachine.server, steps, pace))


async def _compare(server: LocalRedis, steps: list[Step], pace: tuple[int, int]) -> None:
    clock = Micros()
    redis = RedisStore(server.place(f"large{next(NUMBERS)}."), clock)
    memory = MemoryStore(clock)
    await redis.open()
    for step in steps:
        claim = replace(step.claim, refill=step.claim.refill and pace)
        here, there = await memory.admit([claim]), await redis.admit([claim])
        assert there.levels == here.levels
        assert there.refusal == here.refusal
        assert there.would_refuse == here.would_refuse
        clock.micros += step.passed
        if here.lease:
            settled = await memory.settle(here.lease, [step.settled])
            assert await redis.settle(there.lease, [step.settled]) == settled
        assert _held(await redis.peek(claim.key)) == _held(await memory.peek(claim.key))
    await redis.close()


def _held(level: Level | None) -> tuple[int, int]:
    return (level.used, level.reserved) if level is not None else (0, 0)


class Micros(Clock):
    """Whole microseconds, which seconds in a float would round."""

    def __init__(self) -> None:
        self.micros = 1_700_000_000 * MICRO

    def __call__(self) -> float:
        return Exactly(self.micros)


class Exactly(float):
    """Seconds that give back the microseconds that they were made of."""

    micros: int

    def __new__(cls, micros: int) -> Exactly:
        made = super().__new__(cls, micros / MICRO)
        made.micros = micros
        return made

    def __mul__(self, other: float) -> float:
        assert other == MICRO
        return self.micros


async def test_nano_dollars_beyond_two_to_the_53_lose_no_digit(redis_server: LocalRedis) -> None:
    store = RedisStore(redis_server.place(f"digits{next(NUMBERS)}."))
    await store.open()
    limit, spent = MOST, 2**53 - 1
    first = await store.admit([Claim("b", spent, limit)])
    await store.settle(first.lease, [spent])
    for _ in range(5):  # a double would stay at 2^53
        one = await store.admit([Claim("b", 1, limit)])
        await store.settle(one.lease, [1])
    assert await store.peek("b") == Level(2**53 + 4, 0, limit)
    rest = limit - (2**53 + 4)
    assert (await store.admit([Claim("b", rest + 1, limit)])).refusal is not None
    assert (await store.admit([Claim("b", rest, limit)])).levels == (Level(2**53 + 4, rest, limit),)
    await store.close()


# --- the server's own time ---


async def test_the_time_is_the_servers(redis_server: LocalRedis) -> None:
    journal: list[Entry] = []
    store = RedisStore(redis_server.place(f"time{next(NUMBERS)}."), journal=journal.append)
    await store.open()
    before = redis_server.client.time()
    admission = await store.admit([bucket(10, limit=10, rate=(1000, 1))])
    await store.settle(admission.lease, [10])
    after = redis_server.client.time()
    assert before <= divmod(journal[0].at, MICRO) <= after
    await asyncio.sleep(0.02)
    assert await store.peek("r") in (None, Level(0, 0, 10))
    await store.close()


# --- several processes ---

SPENDER = """
import asyncio, sys, time
from gateway.state.redis import FORMAT, RedisStore
from gateway.state.redis_url import Place
from gateway.state.store import Claim

async def main(port, namespace, name, calls):
    store = RedisStore(Place("standalone", (("127.0.0.1", port),), namespace=namespace))
    await store.open()
    async def call():
        admission = await store.admit(
            [Claim("shared", 10, 20_000), Claim("own/" + name, 10, 10**9)]
        )
        if not admission.lease:
            return 0
        await store.settle(admission.lease, [10, 10])
        return admission.serial
    for start in range(0, calls, 50):
        for serial in await asyncio.gather(*[call() for _ in range(50)]):
            if serial:
                print(serial)
    await store.close()

asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


async def test_four_processes_spend_one_budget_exactly(
    redis_server: LocalRedis, namespace: str
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(SPENDER), str(redis_server.port), namespace]
    spenders = [
        await asyncio.create_subprocess_exec(*command, name, "1000", cwd=ROOT, stdout=-1)
        for name in "abcd"
    ]
    said = [(await each.communicate())[0] for each in spenders]
    serials = [int(line) for each in said for line in each.split()]
    assert [each.returncode for each in spenders] == [0] * 4
    assert len(serials) == len(set(serials)) == 2000
    store = RedisStore(redis_server.place(namespace))
    await store.open()
    assert await store.peek("shared") == Level(20_000, 0, 20_000)
    own = [await store.peek(f"own/{name}") for name in "abcd"]
    assert sum(level.used for level in own if level is not None) == 20_000
    await store.close()


# --- a server that restarts, and one that goes away ---


async def test_a_restart_with_a_log_loses_nothing() -> None:
    with local_redis("appendonly yes", "appendfsync always") as server:
        journal: list[Entry] = []
        store = RedisStore(server.place(), journal=journal.append)
        await store.open()
        running = await store.admit([budget(60)])
        done = await store.admit([budget(30)])
        await store.settle(done.lease, [20])
        server.stop()
        server.start()
        assert await store.settle(running.lease, [50]) == (Level(70, 0, 100),)
        assert (await store.admit([budget(31)])).refusal is not None
        assert replay(journal) == []
        await store.close()


async def test_an_absent_server_is_an_error_within_a_second_and_found_again() -> None:
    with local_redis("appendonly yes", "appendfsync always") as server:
        store = RedisStore(server.place())
        told: list[bool] = []
        store.watch(told.append)
        await store.open()
        running = await store.admit([budget(60)])
        server.stop()
        began = time.monotonic()
        with pytest.raises(StoreError, match="cannot be reached"):
            await store.settle(running.lease, [7])
        assert time.monotonic() - began < 1.5
        with pytest.raises(StoreError, match="cannot be reached"):  # at once, by now
            await store.admit([budget(1)])
        assert store.away_since is not None
        server.start()
        # What could not be settled is, without anybody asking again.
        await until(store, "b", Level(7, 0, 100))
        assert (store.away_since, told) == (None, [True, False])
        assert (await store.admit([budget(93)])).lease
        await store.close()
