"""Redis stopped under load, frozen and killed: what each `on_error` promises, and exact accounts.

Three gateways, one for each `on_error`, stand on one Redis that goes away and comes back. The
outage lasts `PORTCULLIS_TEST_OUTAGE` seconds (3 by default). `-s` prints what calls took.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import statistics
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from gateway.state.open import open_store
from gateway.state.store import Level, Store
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen, speak
from tests.end_to_end.traffic import CHAT, JSON, chat, policy, session
from tests.state.local_redis import LocalRedis, local_redis, needs_redis

pytestmark = [needs_redis, pytest.mark.slow]

OUTAGE = float(os.environ.get("PORTCULLIS_TEST_OUTAGE", "3"))
BEFORE, AFTER = 1.0, 2.2
OPENED = 1.2
"""Seconds from the loss until calls no longer wait for the store: `redis_link.PATIENCE` and some
for a busy machine."""
RECOVERED = 1.5
"""Seconds from its return until all calls are the store's again."""
SLACK = 0.1  # between two clocks' ideas of a moment
CALLERS, PACE = 4, 0.08
SLOW = 20.0
"""The generous bound for a call that waits for nobody, in multiples of one in good weather."""

STATIONS = ("session", "rules", "settle")
"""Those that ask the store."""
COST = 1_000_000  # nano-dollars of a call
USAGE = (10, 0)
PRICES = {"gpt-4o-mini": {"input": "$100", "output": "$0", "max_output": 100}}
FITTING = 40
"""Calls that the local share of `local`'s budget holds."""


@dataclass
class Call:
    """One call as its caller saw it. Times are `time.monotonic`."""

    began: float
    ended: float = 0.0
    status: int = 0
    reason: str = ""
    store: str = ""
    whole: bool = False
    long: bool = False

    @property
    def took(self) -> float:
        return self.ended - self.began


@dataclass
class Probed:
    """What the probe listener says."""

    ready: dict[str, Any]
    metrics: str

    def metric(self, name: str) -> float:
        found = re.search(rf"^portcullis_{name} (\S+)$", self.metrics, re.MULTILINE)
        return float(found[1]) if found else 0.0


@dataclass
class Weather:
    """When it all began, the store was lost, and back; and what probes said meanwhile."""

    began: float
    lost: float = 0.0
    back: float = 0.0
    seen: dict[str, Probed] = field(default_factory=dict)


def rules(on_error: str) -> list[dict[str, Any]]:
    limit = "$1000"
    share: dict[str, Any] = {}
    if on_error == "local":
        # Before the outage there is room for all; the share then holds FITTING calls.
        share, limit = {"local_share": "1%"}, f"${FITTING * 100 * COST / 10**9:g}"
    common = {"on_error": on_error, **share}
    wide = {"on_error": on_error, **({"local_share": "50%"} if share else {})}
    return [
        {"kind": "budget", "per": "tenant", "limit": limit, "id": "all", **common},
        {"kind": "budget", "per": "session", "limit": "$5", "id": "each", **wide},
        {"kind": "rate_limit", "per": "tenant", "requests": "100k/min", "id": "rate", **wide},
        {"kind": "rate_limit", "per": "tenant", "concurrency": 200, "id": "places", **wide},
    ]


def answer(seen: Seen) -> Say | Raw:
    """As it is asked: at once, or `slow N`: a stream of N seconds."""
    text = seen.json["messages"][0]["content"]
    say = Say(usage=USAGE)
    if not text.startswith("slow "):
        return say
    raw = speak(seen, say)
    seconds = float(text.split()[1])
    return Raw(
        raw.status, raw.pieces, raw.content_type, raw.headers, pause=seconds / len(raw.pieces)
    )


@pytest.fixture(scope="module")
def redis_server() -> Iterator[LocalRedis]:
    with local_redis("appendonly yes", "appendfsync everysec") as server:
        yield server


@pytest.fixture(scope="module")
def gateways(
    redis_server: LocalRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunningGateway]]:
    """One for each `on_error`, by its name. They live through all outages."""
    made: dict[str, RunningGateway] = {}
    with FakeProvider(answer) as provider, ExitStack() as stack:
        for on_error in ("block", "allow", "local"):
            folder = tmp_path_factory.mktemp(on_error)
            (folder / "master.key").write_bytes(base64.b64encode(b"k" * 32))
            file = policy(provider.url, *rules(on_error), prices=PRICES)
            state = f"{redis_server.url}?namespace={on_error}"
            flags = ("--workers", "2") if on_error == "local" else ()  # they divide its share
            made[on_error] = RunningGateway(folder, file, flags, state=state)
            stack.callback(made[on_error].stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(RunningGateway.start, made.values()))
        yield made


def freeze(redis: LocalRedis) -> Callable[[], None]:
    redis.signal(signal.SIGSTOP)
    return lambda: redis.signal(signal.SIGCONT)


def kill(redis: LocalRedis) -> Callable[[], None]:
    redis.stop()
    return redis.start


@pytest.mark.parametrize("stop", [freeze, kill])
def test_each_on_error_keeps_its_promise_and_every_amount_is_counted_once(
    gateways: dict[str, RunningGateway],
    redis_server: LocalRedis,
    stop: Callable[[LocalRedis], Callable[[], None]],
) -> None:
    known = {on_error: _probes(gateway) for on_error, gateway in gateways.items()}
    calls, weather = asyncio.run(_storm(gateways, redis_server, stop))
    for on_error, made in calls.items():
        _print(f"{stop.__name__} {on_error}", made, gateways[on_error], weather)
    for on_error, gateway in gateways.items():
        _promises(on_error, calls[on_error], weather)
        _shows(gateway, known[on_error], weather.seen[on_error])
        asyncio.run(_counted_once(gateway))


# --- the storm ---


async def _storm(
    gateways: dict[str, RunningGateway],
    redis: LocalRedis,
    stop: Callable[[LocalRedis], Callable[[], None]],
) -> tuple[dict[str, list[Call]], Weather]:
    weather, over = Weather(time.monotonic()), asyncio.Event()
    calls: dict[str, list[Call]] = defaultdict(list)
    async with session() as client:
        load = [
            asyncio.ensure_future(_caller(client, gateway.base, calls[name], over, number))
            for name, gateway in gateways.items()
            for number in range(CALLERS)
        ]
        await asyncio.sleep(BEFORE)
        long = [
            asyncio.ensure_future(_long(client, gateway.base, calls[name], seconds))
            for name, gateway in gateways.items()
            for seconds in (OUTAGE / 2, OUTAGE + RECOVERED)  # ends during it, ends after it
        ]
        await asyncio.sleep(0.2)
        weather.lost = time.monotonic()
        start = stop(redis)
        await asyncio.sleep(OUTAGE / 2)
        for name, gateway in gateways.items():
            weather.seen[name] = await asyncio.to_thread(_probes, gateway)
            long.append(asyncio.ensure_future(_long(client, gateway.base, calls[name], OUTAGE)))
        await asyncio.sleep(OUTAGE / 2)
        await asyncio.to_thread(start)
        weather.back = time.monotonic()
        await asyncio.gather(*long)
        await asyncio.sleep(AFTER)
        over.set()
        await asyncio.gather(*load)
    return calls, weather


async def _caller(
    client: aiohttp.ClientSession, base: str, calls: list[Call], over: asyncio.Event, number: int
) -> None:
    """One call after another, each second one streamed, a new session now and then."""
    made = 0
    while not over.is_set():
        made += 1
        name = f"s-{number}-{made // 20}"
        calls.append(await _call(client, base, chat(stream=made % 2 == 0), name))
        await asyncio.sleep(PACE)


async def _long(
    client: aiohttp.ClientSession, base: str, calls: list[Call], seconds: float
) -> None:
    body = chat(f"slow {seconds}", stream=True)
    call = await _call(client, base, body, f"long-{seconds}")
    call.long = True
    calls.append(call)


async def _call(client: aiohttp.ClientSession, base: str, body: bytes, name: str) -> Call:
    call = Call(time.monotonic())
    headers = {**JSON, "x-session-id": name}
    async with client.post(base + CHAT, data=body, headers=headers) as reply:
        call.status = reply.status
        call.reason = reply.headers.get("x-portcullis-reason", "")
        call.store = reply.headers.get("x-portcullis-store", "")
        await reply.read()
        call.whole = True
    call.ended = time.monotonic()
    return call


def _probes(gateway: RunningGateway) -> Probed:
    with urllib.request.urlopen(f"{gateway.probes}/readyz", timeout=10) as reply:
        ready = json.loads(reply.read())
    with urllib.request.urlopen(f"{gateway.probes}/metrics", timeout=10) as reply:
        return Probed(ready, reply.read().decode())


# --- what is promised ---


def _during(calls: list[Call], weather: Weather) -> list[Call]:
    """Those that were made and answered while the breaker was open."""
    return [
        call
        for call in calls
        if call.began > weather.lost + OPENED and call.ended < weather.back - SLACK
    ]


def _outcomes(calls: list[Call]) -> Counter[tuple[int, str, str]]:
    return Counter((call.status, call.reason, call.store) for call in calls)


def _promises(on_error: str, calls: list[Call], weather: Weather) -> None:
    assert all(call.whole for call in calls)
    before = [call for call in calls if call.ended < weather.lost]
    after = [call for call in calls if call.began > weather.back + RECOVERED]
    assert _outcomes(before).keys() == {(200, "", "")}
    assert _outcomes(after).keys() == {(200, "", "")}
    during = set(_outcomes(_during(calls, weather)))
    if on_error == "block":
        assert during == {(503, "store_unavailable", "away")}
    elif on_error == "allow":
        assert during == {(200, "", "away")}
    else:
        spent, held = (503, "store_unavailable", "local"), (429, "budget_reserved", "local")
        assert during <= {(200, "", "local"), spent, held}
        assert during & {spent, held}
        assert 0 < sum(c.status == 200 and c.store == "local" for c in calls) <= FITTING
    quick = statistics.median(call.took for call in before)
    slow = statistics.median(call.took for call in _during(calls, weather))
    assert slow < SLOW * max(quick, 0.005)


def _shows(gateway: RunningGateway, before: Probed, seen: Probed) -> None:
    """What probes said before, and in the middle of the outage; and what they say now."""
    assert seen.ready["status"] == "ready"
    assert seen.ready["store"].startswith("away since ")
    assert seen.metric("store_up") == 0
    now = _probes(gateway)
    assert now.ready["store"] == "ok"
    assert (now.metric("store_up"), now.metric("store_pending")) == (1, 0)
    outages = now.metric("store_outages_total")
    assert outages > before.metric("store_outages_total")
    types = [record["type"] for record in gateway.records()]
    assert types.count("store_lost") == types.count("store_found") == outages


async def _counted_once(gateway: RunningGateway) -> None:
    """What the audit log says that calls came to is what the store has counted, key by key."""
    used: Counter[str] = Counter()
    for record in gateway.records():
        for claim in record.get("limits", {}).get("claims", ()):
            if record["type"] == "closed" and "refill" not in claim and not claim.get("lent"):
                used[claim["key"]] += claim.get("settled", 0)
    assert sum(used.values()) >= 2 * COST
    store = open_store(gateway.state, time.time)
    await store.open()
    try:
        async with asyncio.timeout(10):
            while (found := await _levels(store, used)) != used:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert found == used
    finally:
        await store.close()


async def _levels(store: Store, keys: Counter[str]) -> Counter[str]:
    levels = [(key, await store.peek(key) or Level(0, 0, 0)) for key in keys]
    # What is still reserved makes it differ.
    return Counter({key: level.used + level.reserved * 10**15 for key, level in levels})


def _print(name: str, calls: list[Call], gateway: RunningGateway, weather: Weather) -> None:
    """How long calls took, and how long of that in the stations that ask the store."""
    shift = time.time() - time.monotonic()
    spans = {
        "before": (weather.began, weather.lost),
        "as it was lost": (weather.lost, weather.lost + OPENED),
        "while away": (weather.lost + OPENED, weather.back),
        "after": (weather.back + RECOVERED, float("inf")),
    }
    print(f"\n{name}: {dict(_outcomes(calls))}")
    records = [record for record in gateway.records() if record["type"] == "closed"]
    for word, (first, last) in spans.items():
        took = [c.took * 1e3 for c in calls if not c.long and first < c.began and c.ended < last]
        stations = [
            sum(record["micros"].get(station, 0) for station in STATIONS) / 1e3
            for record in records
            if first < datetime.fromisoformat(record["time"]).timestamp() - shift < last
        ]
        print(
            f"  {word}: {len(took)} calls, {_spread(took)}; of which the store {_spread(stations)}"
        )


def _spread(took: list[float]) -> str:
    took = sorted(took) or [0.0]
    return f"p50 {took[len(took) // 2]:.2f} ms, p99 {took[int(len(took) * 0.99)]:.2f} ms"
