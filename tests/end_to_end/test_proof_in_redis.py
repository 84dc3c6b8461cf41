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
from concurrent.futures import ThreadPoolExecutor
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
from tests.end_to_end.decisions import decisions, environment
from tests.end_to_end.test_budget_is_exact import OUTPUT, PRICES, body_of, bound_of, budget, price
from tests.end_to_end.traffic import Got, policy, post, session
from tests.state.local_redis import local_redis, needs_redis

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
    ended: int = 0
    running: int = 0
    most_running: int = 0
    paid: int = 0

    async def run(self) -> None:
        async with session() as client:
            self._client = client
            async with asyncio.TaskGroup() as callers:
                for number in range(CALLERS):
                    callers.create_task(self._caller(number))

    async def _caller(self, number: int) -> None:
        stream = number % 2 == 0
        hangs_up = number % 10 == 7
        while True:
            base = self.gateways[number % GATEWAYS].base
            number += 1
            got = await self._once(base, stream, hangs_up)
            if got is None:
                self.outcomes["hung up"] += 1
                break
            if got.whole and got.reason != "budget_reserved":
                self.outcomes[got.reason or str(got.status)] += 1
                if got.status == 200:
                    self.paid += COST[stream]
                break
            self.outcomes[got.reason or "broken"] += 1
            await asyncio.sleep(self.chance.uniform(1, 2))
        self.ended += 1

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


class Killer:
    """Kills all processes of gateways, as a machine's end would, and starts them anew."""

    def __init__(self, gateways: list[RunningGateway]) -> None:
        self.kills = 0
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(gateway, 1 + number / 2))
            for number, gateway in enumerate(gateways)
        ]

    def __enter__(self) -> Killer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, gateway: RunningGateway, pause: float) -> None:
        while not self._stopped.wait(pause) and self.kills < KILLS:
            self.kills += 1
            gateway.kill()
            gateway.start()


def test_no_kill_no_error_and_no_caller_that_hangs_up_lets_more_through_than_fits(
    tmp_path: Path,
) -> None:
    chance = random.Random(5)
    provider = Provider(chance)
    journals = tmp_path / "journals"
    with FakeProvider(provider) as upstream, local_redis() as redis:
        state = f"redis://127.0.0.1:{redis.port}?lease={LEASE}"
        rules = policy(upstream.url, budget(LIMIT, "dollars"), prices=PRICES)
        gateways = []
        for name in map(str, range(GATEWAYS)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "master.key").write_bytes(base64.b64encode(b"k" * 32))
            more = environment(journals)
            gateways.append(RunningGateway(tmp_path / name, rules, state=state, environment=more))
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(RunningGateway.start, gateways))
            load = Load(gateways, chance)
            began = time.monotonic()
            with Killer(gateways) as killer:
                asyncio.run(load.run())
                took, kills = time.monotonic() - began, killer.kills
            end = asyncio.run(_end(state, decisions(journals, redis.client)[0].claims[0].key))
        finally:
            with ThreadPoolExecutor() as threads:
                list(threads.map(RunningGateway.stop, gateways))
        log = decisions(journals, redis.client)
    ops = Counter("refuse" if entry.refusal else entry.op for entry in log)
    print(
        f"{CALLERS} callers, {load.most_running} at once, {took:.0f} s, {kills} kills: "
        f"{dict(load.outcomes)}; decisions {dict(ops)}; used {end.used} of {LIMIT}"
    )
    assert kills == KILLS
    assert [entry.serial for entry in log] == list(range(1, len(log) + 1))
    assert replay(log) == []
    assert load.paid <= end.used <= LIMIT
    assert LIMIT - end.used < max(COST.values())


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
