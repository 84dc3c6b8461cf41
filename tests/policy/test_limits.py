"""What a call may use is taken all or nothing, and put right once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy import limits
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Rule, Stage
from gateway.state.store import Level, StoreError
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action, Mode, Reason
from tests.policy.claiming import Asked, Claiming, Counting, Down, asked
from tests.policy.fakes import DictCache, FakeRule, Words


@pytest.fixture
def store() -> Counting:
    return Counting()


def make(*rules: Rule) -> Pipeline:
    return Pipeline(rules, DictCache())


def said(exchange: Exchange) -> list[tuple[str, str]]:
    return [(v.rule.id, v.reason.value) for v in exchange.verdicts]


def bad(action: Action) -> FakeRule:
    return FakeRule(Words("bad"), action, "content")


async def test_all_claims_are_admitted_in_one_go(store: Counting) -> None:
    exchange = make_exchange()
    assert await make(Claiming("a", 2), Claiming("b", 3)).on_request(exchange, store) is None
    ((first, second),) = store.admissions
    assert (first.amount, second.amount) == (2, 3)
    assert said(exchange) == [("a", "budget_warning"), ("b", "budget_warning")]


async def test_a_claim_that_does_not_fit_stops_the_call_and_takes_nothing(store: Counting) -> None:
    exchange = make_exchange()
    stopped = await make(Claiming("a"), Claiming("b", 11)).on_request(exchange, store)
    assert stopped is not None
    assert (stopped.rule.id, stopped.action) == ("b", Action.THROTTLE)
    level = await store.peek("k:a")
    assert level is None or level.reserved == 0
    assert said(exchange) == [("b", "budget_reserved")]


async def test_a_shadow_claim_is_counted_and_refuses_nothing(store: Counting) -> None:
    exchange = make_exchange()
    rule = Claiming("a", 11, mode=Mode.SHADOW)
    assert await make(rule).on_request(exchange, store) is None
    assert ("a", "budget_reserved") in said(exchange)
    assert all(v.shadow for v in exchange.verdicts)


async def test_what_was_reserved_is_given_back_where_a_later_stage_blocks(
    store: Counting,
) -> None:
    exchange = make_exchange(make_call([("user", "bad")]))
    stopped = await make(Claiming("a", 5), bad(Action.BLOCK)).on_request(exchange, store)
    assert stopped is not None
    assert stopped.rule.id == "content"
    assert store.settled == [(0,)]
    assert exchange.settled
    level = await store.peek("k:a")
    assert level is None or (level.reserved, level.used) == (0, 0)


async def test_what_was_used_takes_the_place_of_what_was_reserved_once(store: Counting) -> None:
    exchange = make_exchange()
    pipeline = make(Claiming("a", 5))
    await pipeline.on_request(exchange, store)
    await limits.settle(exchange, store, Usage(output=3), None)
    await limits.settle(exchange, store, Usage(output=9), None)
    assert store.settled == [(3,)]
    assert exchange.settled_amounts == (3,)
    level = await store.peek("k:a")
    assert level is not None
    assert (level.used, level.reserved) == (3, 0)


async def test_a_store_that_does_not_answer_follows_each_rules_on_error() -> None:
    exchange = make_exchange()
    rules = [Claiming("a", on_error="allow"), Claiming("b"), Asked("later", Stage.TOOLS)]
    stopped = await make(*rules).on_request(exchange, Down())
    assert stopped is not None
    assert (stopped.rule.id, stopped.reason) == ("b", Reason.STORE_UNAVAILABLE)
    exchange = make_exchange()
    assert await make(rules[0], rules[2]).on_request(exchange, Down()) is None
    assert said(exchange) == [("a", "store_unavailable")]
    assert asked[-1] == "later"
    assert exchange.claims == []


async def test_a_store_that_fails_while_giving_back_breaks_nothing(store: Counting) -> None:
    class Fading(Counting):
        async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
            raise StoreError("down")

    exchange = make_exchange(make_call([("user", "bad")]))
    stopped = await make(Claiming("a"), bad(Action.BLOCK)).on_request(exchange, Fading())
    assert stopped is not None
    assert stopped.rule.id == "content"


@pytest.mark.parametrize("where", ["claims", "on_level"])
async def test_a_limit_that_raises_follows_its_on_error(store: Counting, where: str) -> None:
    for on_error in ("block", "allow"):
        exchange = make_exchange()
        rule = Claiming("a", on_error=on_error)
        rule.raises = where
        stopped = await make(rule, Claiming("b")).on_request(exchange, store)
        assert (stopped is not None) == (on_error == "block")
        assert ("a", "rule_failed") in said(exchange)
    for key in ("k:a", "k:b"):
        level = await store.peek(key)  # what the blocked call had reserved was given back
        assert level is None or level.reserved <= 1


async def test_a_refusal_stands_even_if_its_rule_cannot_word_it(store: Counting) -> None:
    rule = Claiming("a", 11, on_error="allow")
    rule.raises = "on_refusal"
    stopped = await make(rule).on_request(make_exchange(), store)
    assert stopped is not None
    assert stopped.reason is Reason.RULE_FAILED


async def test_a_rule_that_cannot_say_what_was_used_is_charged_what_it_reserved(
    store: Counting,
) -> None:
    exchange = make_exchange()
    rule = Claiming("a", 5)
    pipeline = make(rule)
    await pipeline.on_request(exchange, store)
    rule.raises = "actual"
    await limits.settle(exchange, store, Usage(output=1), None)
    assert store.settled == [(5,)]
    assert exchange.verdicts[-1].reason is Reason.RULE_FAILED
    assert exchange.stopped is None
