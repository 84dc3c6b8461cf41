"""Limits are exact: 1,000 callers at once, a budget for 100 of them, real sockets and SQLite."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from gateway.config.units import Amount
from gateway.dialects.registry import DIALECTS
from gateway.message import Headers, Request
from gateway.state import open as state
from gateway.state.journal import Entry, replay
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Seen
from tests.end_to_end.admissions import admissions, level, with_settlements
from tests.end_to_end.traffic import CHAT, MODEL, Got, at_once, chat, outcomes, policy
from tests.proxy.local import LocalGateway

CALLS, FITTING, OUTPUT = 1000, 100, 10

INPUT_PRICE, OUTPUT_PRICE = 3_000, 7_000  # nano-dollars for a token
PRICES = {MODEL: {"input": "$3", "output": "$7"}}  # for a million


def body_of(*, stream: bool) -> bytes:
    if stream:
        return chat(max_tokens=OUTPUT, stream=True, stream_options={"include_usage": True})
    return chat(max_tokens=OUTPUT)


def bound_of(body: bytes) -> int:
    """The most input tokens that the gateway expects for a body."""
    call = DIALECTS["openai_chat"].decode(Request("POST", CHAT, Headers(), body), body)
    return call.input_bound()


def price(tokens: tuple[int, int], unit: str) -> int:
    read, written = tokens
    if unit == "tokens":
        return read + written
    return read * INPUT_PRICE + written * OUTPUT_PRICE


def budget(limit: int, unit: str) -> dict[str, Any]:
    amount = Amount(limit, "tokens" if unit == "tokens" else "nanodollars")
    return {"kind": "budget", "per": "tenant", "window": "total", "limit": str(amount)}


def records_of(gateway: RunningGateway) -> list[dict[str, Any]]:
    return [record for record in gateway.records() if record["type"] == "closed"]


async def ask_by_sdk(base: str) -> Counter[str]:
    client = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=120)

    async def one() -> str:
        try:
            await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=OUTPUT
            )
        except (openai.RateLimitError, openai.BadRequestError) as error:
            return str(error.code)
        return "200"

    async with client:
        return Counter(await asyncio.gather(*(one() for _ in range(CALLS))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "stream", "unit"),
    [(1, False, "dollars"), (1, True, "tokens"), (2, False, "tokens"), (2, True, "dollars")],
)
def test_calls_that_cost_what_they_reserve_go_through_exactly_as_often_as_they_fit(
    tmp_path: Path, workers: int, stream: bool, unit: str
) -> None:
    body = body_of(stream=stream)
    usage = (bound_of(body), OUTPUT)
    limit = FITTING * price(usage, unit)
    with FakeProvider(lambda seen: Say(usage=usage)) as provider:
        rules = policy(provider.url, budget(limit, unit), prices=PRICES)
        with RunningGateway(tmp_path, rules, ["--workers", str(workers)]) as gateway:
            replies = asyncio.run(at_once(gateway.base, [body] * CALLS))
    assert outcomes(replies)["200"] == FITTING == len(provider.seen)
    assert set(outcomes(replies)) <= {"200", "budget_reserved", "budget_exceeded"}
    assert len(replies) == CALLS
    log = admissions(records_of(gateway))
    assert len(log) == CALLS
    assert replay(with_settlements(log, price(usage, unit))) == []
    end = level(tmp_path / "state.db", log[0].claims[0].key)
    assert (end.used, end.reserved) == (limit, 0)


@pytest.mark.slow
def test_the_sdk_without_retries_sees_the_same(tmp_path: Path) -> None:
    # As the SDK writes it: without blanks.
    bound = bound_of(orjson.dumps(orjson.loads(body_of(stream=False))))
    with FakeProvider(lambda seen: Say(usage=(bound, OUTPUT))) as provider:
        rules = policy(provider.url, budget(FITTING * (bound + OUTPUT), "tokens"))
        with RunningGateway(tmp_path, rules) as gateway:
            seen = asyncio.run(ask_by_sdk(gateway.base))
    assert {bound_of(each.body) for each in provider.seen} == {bound}
    assert seen["200"] == FITTING
    assert set(seen) <= {"200", "budget_reserved", "budget_exceeded"}
    assert seen.total() == CALLS


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "stream"), [(1, True), (2, False)])
def test_calls_that_cost_less_than_they_reserve_never_pass_the_limit_and_every_refusal_is_justified(
    tmp_path: Path, workers: int, stream: bool
) -> None:
    body = body_of(stream=stream)
    reserved = (bound_of(body), OUTPUT)
    usage = (reserved[0] // 3, OUTPUT // 2)
    cost, limit = price(usage, "dollars"), FITTING * price(reserved, "dollars")
    with FakeProvider(lambda seen: Say(usage=usage)) as provider:
        rules = policy(provider.url, budget(limit, "dollars"), prices=PRICES)
        with RunningGateway(tmp_path, rules, ["--workers", str(workers)]) as gateway:
            replies = asyncio.run(at_once(gateway.base, [body] * CALLS))
            # Then one after the other, until nothing fits any more.
            replies += asyncio.run(_until_spent(gateway.base, body))
    through = outcomes(replies)["200"]
    assert through == len(provider.seen) > FITTING
    log = admissions(records_of(gateway))
    assert len(log) == len(replies)
    assert replay(with_settlements(log, cost)) == []
    end = level(tmp_path / "state.db", log[0].claims[0].key)
    assert (end.used, end.reserved) == (through * cost, 0)
    assert limit - price(reserved, "dollars") < end.used <= limit


async def _until_spent(base: str, body: bytes) -> list[Got]:
    replies: list[Got] = []
    while not replies or replies[-1].status == 200:
        replies += await at_once(base, [body])
    return replies


@pytest.mark.slow
def test_calls_of_every_cost_never_pass_the_limit_and_every_refusal_is_justified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker in this process, with the store's own journal: each settlement is known."""
    journal: list[Entry] = []
    monkeypatch.setattr("gateway.app.open_store", _journaling(journal.append))
    chance = random.Random(4)
    bodies = [
        chat(
            "x" * chance.randrange(200), max_tokens=chance.randrange(1, 50), stream=number % 2 == 0
        )
        for number in range(CALLS)
    ]

    def script(seen: Seen) -> Say:
        return Say(usage=(chance.randrange(bound_of(seen.body)), chance.randrange(50)))

    limit = 40_000
    with FakeProvider(script) as provider:
        rules = policy(provider.url, budget(limit, "tokens"))
        with LocalGateway(tmp_path, rules, state=f"sqlite:///{tmp_path / 'state.db'}") as gateway:
            replies = asyncio.run(at_once(gateway.base, bodies))
    assert 0 < outcomes(replies)["200"] == len(provider.seen) < CALLS
    assert len([entry for entry in journal if entry.op == "admit"]) == CALLS
    assert replay(journal) == []
    end = level(tmp_path / "state.db", journal[0].claims[0].key)
    assert 0 < end.used <= limit
    assert end.reserved == 0


def _journaling(note: Callable[[Entry], None]) -> Callable[..., Any]:
    return lambda url, clock: state.open_store(url, clock, note)
