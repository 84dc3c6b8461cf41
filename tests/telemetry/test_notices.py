"""What is told of: once, by one gateway, and nothing of what only shadow rules saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.config.notices import Notices, Webhook
from gateway.exchange import Exchange, Identity
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Cause, Claim, Level, Refusal, StoreError
from gateway.telemetry import notices
from gateway.telemetry.notice_formats import Notice
from gateway.telemetry.notices import EVENTS, Notifier
from gateway.testing import make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

RULE = RuleRef("base", "day", "budget")


class Taken:
    """Stands in for the delivery."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Notice]] = []

    def put(self, webhook: Webhook, notice: Notice) -> None:
        self.sent.append((webhook.name, notice))

    async def close(self, limit: float) -> None:
        pass

    @property
    def events(self) -> list[str]:
        return [notice.event for _, notice in self.sent]


class Watched(MemoryStore):
    """A store that can go away."""

    told: Callable[[bool], None]
    away = False

    def watch(self, told: Callable[[bool], None]) -> None:
        self.told = told

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        if self.away:
            raise StoreError("away")
        return await super().add(key, value, ttl)


def section(**keys: Any) -> Notices:
    hook = {"name": "ops", "url": "http://127.0.0.1:1/"}
    return Notices.model_validate({"webhooks": [hook], **keys})


class Gateway:
    def __init__(self, store: Watched | None = None, wanted: Notices | None = None) -> None:
        self.store = store or Watched(lambda: 1_700_000_000.0)
        self.taken = Taken()
        wanted = wanted or section()
        self.notifier = Notifier(lambda: wanted, self.store, self.taken, str, 0)  # type: ignore[arg-type]

    async def end(self, *exchanges: Exchange) -> list[str]:
        for exchange in exchanges:
            self.notifier.exchange(exchange)
        await self.notifier.close(5)
        return self.taken.events


def said(reason: Reason, *, session: str = "s1", shadow: bool = False) -> Exchange:
    exchange = make_exchange()
    exchange.identity = Identity(tenant="acme", session=session, user="ann")
    verdict = Verdict(Action.BLOCK, reason, RULE, "has a budget of $1.00, and it is spent")
    if shadow:
        verdict = Verdict(Action.BLOCK, reason, RULE, "would", shadow=True)
    exchange.verdicts = [verdict]
    return exchange


@pytest.mark.parametrize(("reason", "event"), EVENTS.items())
def test_each_reason_has_its_event(reason: Reason, event: str) -> None:
    assert asyncio.run(Gateway().end(said(reason))) == [event]


def test_other_reasons_tell_nothing() -> None:
    calls = [said(reason) for reason in Reason if reason not in EVENTS]
    assert asyncio.run(Gateway().end(*calls, make_exchange())) == []


def test_the_same_thing_is_told_once_of_all_gateways() -> None:
    store = Watched(lambda: 1_700_000_000.0)
    first, second = Gateway(store), Gateway(store)

    async def play() -> None:
        await first.end(said(Reason.LOOP_DETECTED), said(Reason.LOOP_DETECTED))
        await second.end(said(Reason.LOOP_DETECTED), said(Reason.LOOP_DETECTED, session="s2"))

    asyncio.run(play())
    assert first.taken.events == ["loop_detected"]
    assert second.taken.events == ["loop_detected"]
    assert second.taken.sent[0][1].details["session"] == "s2"


def test_a_budget_that_is_spent_is_one_thing_whoever_asks() -> None:
    def refused(session: str, key: str) -> Exchange:
        exchange = said(Reason.BUDGET_EXCEEDED, session=session)
        rule = type("Some", (), {"ref": RULE})()
        exchange.claims = [Claim(key, 1, 1)]
        exchange.claim_rules = [rule]
        refusal = Refusal(0, Cause.SPENT, 0.0)
        exchange.admission = Admission("", (Level(1, 0, 1),), 1, refusal)
        return exchange

    calls = [refused("s1", "base:day:a:day-1"), refused("s2", "base:day:a:day-1")]
    calls.append(refused("s1", "base:day:a:day-2"))
    assert asyncio.run(Gateway().end(*calls)) == ["budget_exceeded"] * 2


def test_steps_of_a_budget_are_told_as_often_as_they_are_announced() -> None:
    calls = [said(Reason.BUDGET_WARNING), said(Reason.BUDGET_WARNING)]
    assert asyncio.run(Gateway().end(*calls)) == ["budget_warning"] * 2


def test_shadow_rules_tell_nothing() -> None:
    assert asyncio.run(Gateway().end(said(Reason.LOOP_DETECTED, shadow=True))) == []


def test_without_webhooks_nothing_is_made() -> None:
    gateway = Gateway(wanted=Notices())
    assert asyncio.run(gateway.end(said(Reason.LOOP_DETECTED))) == []


def test_a_webhook_gets_the_events_that_it_wants() -> None:
    hooks = [
        {"name": "all", "url": "http://127.0.0.1:1/"},
        {"name": "loops", "url": "http://127.0.0.1:1/", "events": ["loop_detected"]},
    ]
    gateway = Gateway(wanted=section(webhooks=hooks))
    asyncio.run(gateway.end(said(Reason.LOOP_DETECTED), said(Reason.RATE_LIMITED)))
    assert [name for name, _ in gateway.taken.sent] == ["all", "loops", "all"]


def test_with_the_store_away_it_is_told_all_the_same() -> None:
    gateway = Gateway()
    gateway.store.away = True
    assert asyncio.run(gateway.end(said(Reason.LOOP_DETECTED))) == ["loop_detected"]


def test_a_store_that_goes_and_comes_back_is_told_of() -> None:
    gateway = Gateway()
    gateway.store.told(True)
    gateway.store.told(False)
    assert gateway.taken.events == ["store_away", "store_back"]
    assert "worker 0" in gateway.taken.sent[0][1].text


async def test_a_store_that_comes_and_goes_is_told_of_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "STORE_PAUSE", 0.05)
    gateway = Gateway()
    for away in [True, False] * 50 + [True]:
        gateway.store.told(away)
    assert gateway.taken.events == ["store_away", "store_back"]
    async with asyncio.timeout(10):
        while len(gateway.taken.events) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    gateway.store.told(False)
    assert gateway.taken.events == ["store_away", "store_back"] * 2


def test_a_notice_names_rule_and_call_and_never_the_user() -> None:
    gateway = Gateway()
    exchange = said(Reason.BUDGET_EXCEEDED)
    asyncio.run(gateway.end(exchange))
    (_, notice) = gateway.taken.sent[0]
    assert notice.text == "Rule base/day has a budget of $1.00, and it is spent."
    assert notice.details["exchange"] == exchange.id
    assert "ann" not in notice.details.values()


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.telemetry.notices.MOST_KNOWN", 10)
    gateway = Gateway()
    calls = [said(Reason.LOOP_DETECTED, session=f"s{number}") for number in range(50)]
    asyncio.run(gateway.end(*calls))
    assert len(gateway.notifier._known) == 10
