"""Four gateways on one Redis, thousands of callers at once, one budget for a fifth of them: callers
hang up, the provider fails, gateways are killed, and not a nano-dollar too much is spent.

`PORTCULLIS_PROOF=full` runs it with 5,000 callers and 10 kills; else it is a fifth of that.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from gateway.state.journal import replay
from gateway.state.open import open_store
from gateway.state.store import Level, StoreError
from gateway.testing.answers import Say, chat, chat_stream
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.end_to_end.decisions import brought_back, decisions, environment
from tests.end_to_end.test_budget_is_exact import OUTPUT, PRICES, body_of, bound_of, budget, price
from tests.end_to_end.traffic import Got, policy, post, session
from tests.state.local_redis import LocalRedis, local_redis, needs_redis
from tests.state.redis_cluster import MASTERS, local_cluster

pytestmark = [needs_redis, pytest.mark.slow]

FULL = os.environ.get("PORTCULLIS_PROOF") == "full"
CALLERS, FITTING, KILLS = (5000, 1000, 10) if FULL else (1000, 200, 4)
GATEWAYS = 4
LEASE = 3
"""Seconds. What a killed gateway had reserved is charged after so long."""
PATIENCE = 120.0

BODIES = {stream: body_of(stream=stream) for stream in (False, True)}
USAGE = {stream: (bound_of(body), OUTPUT) for stream, body in BODIES.items()}
COST = {stream: price(usage, "dollars") for stream, usage in USAGE.items()}
LIMIT = FITTING * max(COST.values())


class Provider:
    """Slow answers that cost all that was reserved; some are errors, some break off."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.billed = 0
        """Nano-dollars of answers that told their usage in full."""

    def __call__(self, seen: Seen) -> Raw:
        stream = bool(seen.json.get("stream"))
        say = Say(pieces=("Hel", "lo ", "the", "re."), usage=USAGE[stream])
        pieces = tuple(chat_stream(say, usage=True)) if stream else (orjson.dumps(chat(say)),)
        kind = "text/event-stream" if stream else "application/json"
        luck, pause = self._chance.random(), self._chance.uniform(0.1, 0.4)
        if luck < 0.1:
            return Raw(status=500, pieces=(b'{"error": {"message": "no"}}',))
        if luck < 0.15:
            return Raw(pieces=pieces[: len(pieces) // 2], content_type=kind, pause=pause, cut=True)
        return Raw(pieces=pieces, content_type=kind, pause=pause)


@dataclass
class Load:
    """Callers that start together, and come again where they were told to."""

    gateways: list[RunningGateway]
    chance: random.Random
    outcomes: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    running: int = 0
    most_running: int = 0
    paid: int = 0
    took: float = 0.0

    async def run(self) -> None:
        began = time.monotonic()
        async with session() as client:
            self._client = client
            async with asyncio.TaskGroup() as callers:
                for number in range(CALLERS):
                    callers.create_task(self._caller(number))
        self.took = time.monotonic() - began

    async def _caller(self, number: int) -> None:
        stream = number % 2 == 0
        hangs_up = number % 10 == 7
        while True:
            base = self.gateways[number % GATEWAYS].base
            number += 1
            got = await self._once(base, stream, hangs_up)
            self.answered += got is not None and got.status == 200
            if got is None:
                self.outcomes["hung up"] += 1
                break
            if got.whole and got.reason not in ("budget_reserved", "store_unavailable"):
                self.outcomes[got.reason or str(got.status)] += 1
                if got.status == 200:
                    self.paid += COST[stream]
                break
            self.outcomes[got.reason or "broken"] += 1
            await asyncio.sleep(self.chance.uniform(1, 2))

    def __str__(self) -> str:
        return (
            f"{CALLERS} callers, {self.most_running} at once, {self.took:.0f} s: "
            f"{dict(self.outcomes)}"
        )

    async def _once(self, base: str, stream: bool, hangs_up: bool) -> Got | None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        limit = self.chance.uniform(0.2, 2) if hangs_up else PATIENCE
        try:
            async with asyncio.timeout(limit):
                return await post(self._client, base, BODIES[stream])
        except TimeoutError:
            return None
        finally:
            self.running -= 1


PAUSE = 1.0
"""Seconds between two kills, where calls are answered too slowly to go by them."""


class Killer:
    """Kills all processes of gateways, as a machine's end would, and starts them anew: whenever a
    further share of the calls that fit has been answered, or for `PAUSE` none was killed."""

    def __init__(self, load: Load) -> None:
        self.kills = 0
        self._last = time.monotonic()
        self._load = load
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(gateway,)) for gateway in load.gateways
        ]

    def __enter__(self) -> Killer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, gateway: RunningGateway) -> None:
        while not self._stopped.wait(0.05):
            with self._lock:
                due = self._load.answered > self.kills * FITTING // (2 * KILLS)
                late = self._load.answered and time.monotonic() > self._last + PAUSE
                if self.kills == KILLS or not (due or late):
                    continue
                self.kills += 1
                self._last = time.monotonic()
            gateway.kill()
            gateway.start()


@contextmanager
def serving(folder: Path, state: str, url: str) -> Iterator[list[RunningGateway]]:
    """Gateways of one installation, each as on a machine of its own."""
    rules = policy(url, budget(LIMIT, "dollars"), prices=PRICES)
    more = environment(folder / "journals")
    gateways = []
    for name in map(str, range(GATEWAYS)):
        (folder / name).mkdir()
        (folder / name / "master.key").write_bytes(base64.b64encode(b"k" * 32))
        gateways.append(RunningGateway(folder / name, rules, state=state, environment=more))
    with ThreadPoolExecutor() as threads:
        try:
            list(threads.map(RunningGateway.start, gateways))
            yield gateways
        finally:
            list(threads.map(RunningGateway.stop, gateways))


def test_no_kill_no_error_and_no_caller_that_hangs_up_lets_more_through_than_fits(
    tmp_path: Path,
) -> None:
    journals = tmp_path / "journals"
    with FakeProvider(Provider(random.Random(5))) as upstream, local_redis() as redis:
        state = f"redis://127.0.0.1:{redis.port}?lease={LEASE}"
        with serving(tmp_path, state, upstream.url) as gateways:
            load = Load(gateways, random.Random(6))
            with Killer(load) as killer:
                asyncio.run(load.run())
                kills = killer.kills
            end = asyncio.run(_end(state, decisions(journals, redis.client)[0].claims[0].key))
        log = decisions(journals, redis.client)
    ops = Counter("refuse" if entry.refusal else entry.op for entry in log)
    print(f"{load}; {kills} kills; decisions {dict(ops)}; used {end.used} of {LIMIT}")
    assert kills == KILLS
    assert [entry.serial for entry in log] == list(range(1, len(log) + 1))
    assert replay(log) == []
    assert load.paid <= end.used <= LIMIT
    assert LIMIT - end.used < max(COST.values())


def test_a_cluster_that_fails_over_lets_no_more_through_than_it_had_not_sent_on(
    tmp_path: Path,
) -> None:
    """The replica of the counters has missed all that was admitted when their master is killed."""
    journals = tmp_path / "journals"
    with (
        FakeProvider(Provider(random.Random(5))) as upstream,
        local_cluster(tmp_path / "cluster", replicas=True, timeout_ms=500) as cluster,
    ):
        state = f"{cluster.url('proof')}&lease={LEASE}"
        owner = cluster.owner("proof")
        with serving(tmp_path, state, upstream.url) as gateways:
            load = Load(gateways, random.Random(6))
            master, replica = cluster.nodes[owner], cluster.nodes[owner + MASTERS]
            replica.client.config_set("masterauth", "unknown")  # so that it cannot come back
            master.client.execute_command("CLIENT", "KILL", "TYPE", "replica")
            failing = threading.Thread(target=_fail, args=(load, upstream, master))
            failing.start()
            asyncio.run(load.run())
            failing.join()
            end = asyncio.run(_end(state, _key(gateways[0])))
    lost, over = brought_back(journals), end.used - LIMIT
    print(f"{load}; over by {over}, not replicated {lost}; used {end.used} of {LIMIT}")
    assert load.paid <= end.used
    assert lost > 0
    assert over <= lost


def _fail(load: Load, upstream: FakeProvider, master: LocalRedis) -> None:
    """Kill the master while some calls run and some have ended."""
    while load.answered < FITTING // 10 or len(upstream.seen) < FITTING // 2:
        time.sleep(0.01)
    master.stop()


def _key(gateway: RunningGateway) -> str:
    """The key of the one budget."""
    limits = [record["limits"] for record in gateway.records() if "limits" in record]
    return str(limits[0]["claims"][0]["key"])


async def _end(url: str, key: str) -> Level:
    """How the budget stands once no lease runs any more."""
    store = open_store(url, time.time)
    await store.open()
    try:
        async with asyncio.timeout(10 * LEASE):
            while True:
                try:
                    level = await store.peek(key)
                except StoreError:
                    level = None
                if level is not None and not level.reserved:
                    return level
                await asyncio.sleep(0.1)
    finally:
        await store.close()
