"""Two gateways on one Redis: one budget, 1,000 callers at once, exactly 100 go through."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state.journal import replay
from gateway.state.open import open_store
from gateway.state.store import Level
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider
from tests.end_to_end.admissions import admissions, with_settlements
from tests.end_to_end.test_budget_is_exact import (
    CALLS,
    FITTING,
    OUTPUT,
    PRICES,
    body_of,
    bound_of,
    budget,
    price,
    records_of,
)
from tests.end_to_end.traffic import Got, at_once, outcomes, policy
from tests.state.local_redis import LocalRedis, local_redis, needs_redis

pytestmark = [needs_redis, pytest.mark.slow]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[LocalRedis]:
    with local_redis("requirepass hidden-word") as server:
        yield server


def gateway(
    folder: Path, rules: object, redis: LocalRedis, key: bytes, name: str
) -> RunningGateway:
    """A gateway of its own folder, as on a machine of its own."""
    own = folder / name
    own.mkdir()
    (own / "master.key").write_bytes(base64.b64encode(key))
    state = f"redis://:hidden-word@127.0.0.1:{redis.port}?namespace={folder.name}"
    return RunningGateway(own, rules, state=state)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [False, True])
def test_calls_go_through_two_gateways_exactly_as_often_as_they_fit(
    tmp_path: Path, redis_server: LocalRedis, stream: bool
) -> None:
    body = body_of(stream=stream)
    usage = (bound_of(body), OUTPUT)
    cost = price(usage, "dollars")
    with FakeProvider(lambda seen: Say(usage=usage)) as provider:
        rules = policy(provider.url, budget(FITTING * cost, "dollars"), prices=PRICES)
        one = gateway(tmp_path, rules, redis_server, b"k" * 32, "one")
        other = gateway(tmp_path, rules, redis_server, b"k" * 32, "other")
        with one, other:
            replies = asyncio.run(_to_both(one.base, other.base, body))
        assert outcomes(replies)["200"] == FITTING == len(provider.seen)
    assert set(outcomes(replies)) <= {"200", "budget_reserved", "budget_exceeded"}
    assert len(replies) == CALLS
    log = admissions(records_of(one) + records_of(other))
    assert len(log) == CALLS
    assert replay(with_settlements(log, cost)) == []
    assert _level(one.state, log[0].claims[0].key) == Level(FITTING * cost, 0, FITTING * cost)
    for each in (one, other):
        assert "hidden-word" not in each.first_line + each.log
        assert not any(b"hidden-word" in path.read_bytes() for path in each.audit.iterdir())


def test_another_master_key_is_refused_and_none_is_made(
    tmp_path: Path, redis_server: LocalRedis
) -> None:
    rules = policy("http://127.0.0.1:9", {"kind": "loop", "repeats": 5})
    with gateway(tmp_path, rules, redis_server, b"k" * 32, "one") as one:
        pass
    assert _verify(one, "--state", one.state) == (0, "")
    code, said = _verify(one)
    assert code == 2
    assert "name that with --state" in said
    assert "hidden-word" not in said
    with pytest.raises(RuntimeError, match="another master key"):
        gateway(tmp_path, rules, redis_server, b"x" * 32, "other").start()
    without = gateway(tmp_path, rules, redis_server, b"", "without")
    (without.folder / "master.key").unlink()
    with pytest.raises(RuntimeError, match="need the same master key"):
        without.start()
    assert not (without.folder / "master.key").exists()


def _verify(gateway: RunningGateway, *flags: str) -> tuple[int, str]:
    """The exit code of `audit verify`, and what it said where that was not 0."""
    command = [sys.executable, "-m", "gateway", "audit", "verify", "--audit", str(gateway.audit)]
    done = subprocess.run(
        [*command, *flags], env=gateway.environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr if done.returncode else ""


async def _to_both(one: str, other: str, body: bytes) -> list[Got]:
    half = [body] * (CALLS // 2)
    first, second = await asyncio.gather(at_once(one, half), at_once(other, half))
    return [*first, *second]


def _level(url: str, key: str) -> Level | None:
    async def read() -> Level | None:
        store = open_store(url, time.time)
        await store.open()
        try:
            return await store.peek(key)
        finally:
            await store.close()

    return asyncio.run(read())
