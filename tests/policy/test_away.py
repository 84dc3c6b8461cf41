"""A store that does not answer: each limiting rule's `on_error`, told in verdict and header."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.config.rule_options import LimitOptions
from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy import limits
from gateway.policy.away import HEADER, no_room, note, take_more
from gateway.policy.rule import Rule
from gateway.state.standby import StandbyStore
from gateway.state.store import Claim, Level, Refusal
from gateway.testing import make_exchange
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict
from tests.policy.claiming import NOW, Claiming, Down
from tests.state.fickle import Fickle


class Local(Claiming):
    """Claims `amount` of `limit`; `on_error: local` unless told otherwise."""

    Options = LimitOptions

    def __init__(self, name: str, amount: int = 1, limit: int = 10, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        super().__init__(name, amount, limit, mode=mode)
        known = {"kind": "asked", "on_error": "local", **keys}
        self.options = LimitOptions.model_validate(known)
        self.ref = RuleRef("p", name, "asked")
        self.refill: tuple[int, int] | None = None
        self.lent = False

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        key = f"k:{self.ref.id}"
        claim = Claim(key, self.amount, self.limit, self.refill, None, self.shadow, self.lent)
        return (claim,)

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        self._maybe("on_refusal")
        return self.verdict(Action.THROTTLE, Reason.RATE_LIMITED, "is full", retry_after=1)


@pytest.fixture
def inner() -> Fickle:
    inner = Fickle(lambda: NOW)
    inner.go()
    return inner


@pytest.fixture
async def store(inner: Fickle) -> AsyncIterator[StandbyStore]:
    store = StandbyStore(inner, lambda: NOW)
    yield store
    inner.come()
    await store.close()


async def admitted(store: Any, *rules: Rule) -> tuple[Exchange, Verdict | None]:
    exchange = make_exchange()
    assert limits.claim(exchange, rules) is None
    return exchange, await limits.admit(exchange, store)


def said(exchange: Exchange) -> list[tuple[str, Action, Reason]]:
    return [(v.rule.id, v.action, v.reason) for v in exchange.verdicts]


UNAVAILABLE = Reason.STORE_UNAVAILABLE


async def test_one_rule_that_blocks_refuses_and_nothing_is_taken(
    store: StandbyStore, inner: Fickle
) -> None:
    rules = Local("a"), Local("b", on_error="allow"), Local("c", on_error="block")
    exchange, stopped = await admitted(store, *rules)
    assert stopped is not None
    assert said(exchange) == [("c", Action.BLOCK, UNAVAILABLE)]
    assert exchange.notices == {HEADER: "away"}
    assert (exchange.claims, exchange.admission, store.pending) == ([], None, 0)


async def test_a_rule_that_allows_lets_pass_and_counts(store: StandbyStore, inner: Fickle) -> None:
    exchange, stopped = await admitted(store, Local("a", 11, on_error="allow"))
    assert stopped is None
    assert said(exchange) == [("a", Action.FLAG, UNAVAILABLE)]
    assert exchange.verdicts[0].what.startswith("was not checked because the state store")
    assert exchange.notices == {HEADER: "away"}
    await limits.settle(exchange, store, Usage(output=12), None)
    inner.come()
    await limits.admit(make_exchange(), store)
    await store.close()
    assert await inner.peek("k:a") == Level(12, 0, 10)


async def test_a_local_share_decides_and_says_how_large_it_is(store: StandbyStore) -> None:
    rule = Local("a", 2, 100, local_share="5%")
    for _ in range(2):
        exchange, stopped = await admitted(store, rule)
        assert stopped is None
        assert said(exchange) == [("a", Action.FLAG, UNAVAILABLE)]
        assert exchange.verdicts[0].what == (
            "was checked against this gateway's local share (5% of the limit) because the state "
            "store did not answer"
        )
        assert exchange.notices == {HEADER: "local"}
        assert exchange.admission is not None
        assert exchange.admission.local
        assert exchange.admission.levels[0].limit == 5
        assert exchange.claims[0].limit == 100
        await limits.settle(exchange, store, Usage(output=2), None)
    exchange, stopped = await admitted(store, rule)
    assert stopped is not None
    assert said(exchange) == [("a", Action.BLOCK, UNAVAILABLE)]
    assert stopped.what.startswith("has no room for this request in this gateway's local share")
    assert store.refused == 1


async def test_local_claims_are_taken_together_or_not_at_all(store: StandbyStore) -> None:
    small, large = Local("small", 2, 10), Local("large", 1, 100)
    _, stopped = await admitted(store, large, small)
    assert stopped is not None
    assert stopped.rule.id == "small"
    assert store._share.held == {}


@pytest.mark.parametrize("field", ["refill", "lent"])
async def test_what_waiting_helps_is_the_rules_own_refusal(store: StandbyStore, field: str) -> None:
    rule = Local("a", 1, 10)
    setattr(rule, field, {"refill": (10, 60), "lent": True}[field])
    assert (await admitted(store, rule))[1] is None
    _, stopped = await admitted(store, rule)
    assert stopped is not None
    assert (stopped.action, stopped.reason) == (Action.THROTTLE, Reason.RATE_LIMITED)
    assert stopped.what.startswith("is full (counted in this gateway's local share (10%")


async def test_a_request_larger_than_the_shares_bucket_is_not_told_to_wait(
    store: StandbyStore,
) -> None:
    rule = Local("a", 5, 10)
    rule.refill = (10, 60)
    _, stopped = await admitted(store, rule)
    assert stopped is not None
    assert (stopped.action, stopped.reason) == (Action.BLOCK, UNAVAILABLE)


async def test_a_refusal_stands_even_if_its_rule_cannot_word_it(store: StandbyStore) -> None:
    rule = Local("a", 1, 10)
    rule.lent, rule.raises = True, "on_refusal"
    assert (await admitted(store, rule))[1] is None
    _, stopped = await admitted(store, rule)
    assert stopped is not None
    assert (stopped.action, stopped.reason) == (Action.BLOCK, Reason.RULE_FAILED)


@pytest.mark.parametrize("on_error", ["block", "allow", "local"])
async def test_a_shadow_rule_refuses_nothing_and_is_counted(
    store: StandbyStore, inner: Fickle, on_error: str
) -> None:
    rule = Local("a", 5, 10, on_error=on_error, mode=Mode.SHADOW)
    exchange, stopped = await admitted(store, rule)
    assert stopped is None
    assert all(verdict.shadow for verdict in exchange.verdicts)
    assert exchange.verdicts[0].reason is UNAVAILABLE
    assert exchange.action is Action.ALLOW
    await limits.settle(exchange, store, Usage(output=5), None)
    inner.come()
    await store.close()
    assert await inner.peek("k:a") == Level(5, 0, 10)


async def test_where_nobody_counts_a_local_share_is_refused_and_the_rest_passes() -> None:
    exchange, stopped = await admitted(Down(), Local("a"), Local("b", on_error="allow"))
    assert stopped is not None
    assert said(exchange) == [("a", Action.BLOCK, UNAVAILABLE), ("b", Action.FLAG, UNAVAILABLE)]
    exchange, stopped = await admitted(Down(), Local("b", on_error="allow"))
    assert stopped is None
    assert (
        exchange.verdicts[0].what == "could not be checked because the state store did not answer"
    )
    assert exchange.claims == []


async def test_calls_whose_store_answers_have_no_such_header(
    store: StandbyStore, inner: Fickle
) -> None:
    inner.come()
    exchange, stopped = await admitted(store, Local("a"))
    assert stopped is None
    assert exchange.notices == {}
    assert exchange.admission is not None
    assert not exchange.admission.local


# --- answers that run ---


async def test_a_running_answer_takes_more_of_the_share_and_says_so_once(
    store: StandbyStore,
) -> None:
    rule = Local("a", 4, 100)
    exchange, _ = await admitted(store, rule)
    for fits in (True, False):
        more = take_more(store, [rule], [Claim("k:a", 4, 100)])
        note(exchange, [rule])
        assert more is not None
        assert (more.refusal is None) is fits
    assert len(exchange.verdicts) == 1
    assert no_room(rule).reason is UNAVAILABLE


async def test_a_running_answer_is_not_for_a_rule_that_blocks(store: StandbyStore) -> None:
    claims = [Claim("k:a", 4, 100)]
    assert take_more(store, [Local("a", on_error="block")], claims) is None
    assert take_more(store, [Local("a", on_error="block", mode=Mode.SHADOW)], claims) is not None
    assert take_more(Down(), [Local("a")], claims) is None
