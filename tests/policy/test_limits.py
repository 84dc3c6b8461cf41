"""What a call may use is taken all or nothing, and put right once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy import limits
from gateway.policy.budget_options import BudgetOptions
from gateway.policy.kinds.budget import BudgetRule
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Rule, Stage
from gateway.state.store import Level, StoreError
from gateway.testing import make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef
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


# --- said once ---


class Telling(Counting):
    """Counts who asks whether something was said; may not answer that."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.silent = False

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        if self.silent:
            raise StoreError("down")
        self.asked.append(key)
        return await super().add(key, value, ttl)


def warning(exchange: Exchange) -> list[str]:
    return [v.what for v in exchange.verdicts if v.reason is Reason.BUDGET_WARNING]


async def spend(pipeline: Pipeline, store: Telling, amount: int) -> Exchange:
    exchange = make_exchange()
    assert await pipeline.on_request(exchange, store) is None
    await limits.settle(exchange, store, Usage(output=amount), None)
    return exchange


def warning_at(level: int, name: str = "a") -> Claiming:
    rule = Claiming(name, 1, 1000)
    rule.warns = level
    return rule


async def test_a_step_is_announced_by_the_call_whose_settlement_passes_it() -> None:
    store, pipeline = Telling(), make(warning_at(50))
    said_by = [warning(await spend(pipeline, store, 30)) for _ in range(4)]
    assert said_by == [[], ["stands at 60"], [], []]
    assert store.asked == ["warned:k:a"]


async def test_of_several_workers_one_announces_and_each_asks_at_most_once() -> None:
    store = Telling()
    workers = [make(warning_at(50)) for _ in range(3)]
    said_by = []
    for number in range(9):
        said_by += warning(await spend(workers[number % 3], store, 30))
    assert said_by == ["stands at 60"]
    assert store.asked == ["warned:k:a"] * 3


async def test_an_ordinary_call_asks_nothing() -> None:
    store, pipeline = Telling(), make(warning_at(50))
    for _ in range(3):
        await spend(pipeline, store, 10)
    assert store.asked == []


async def test_what_a_lease_that_ran_out_has_passed_is_announced_by_the_next_call() -> None:
    now = [1000.0]
    store, pipeline = Telling(), make(warning_at(1))
    store._clock = lambda: now[0]
    assert await pipeline.on_request(make_exchange(), store) is None  # and its gateway is killed
    now[0] += 100
    exchange = make_exchange()
    await pipeline.on_request(exchange, store)
    assert warning(exchange) == ["stands at 1"]


async def test_what_could_not_be_asked_is_announced_later() -> None:
    store, pipeline = Telling(), make(warning_at(50))
    store.silent = True
    assert warning(await spend(pipeline, store, 60)) == []
    store.silent = False
    assert warning(await spend(pipeline, store, 1)) == ["stands at 60"]


async def test_a_rule_that_cannot_say_how_it_stands_does_not_lose_the_settlement() -> None:
    store, rule = Telling(), warning_at(50)
    pipeline, exchange = make(rule), make_exchange()
    await pipeline.on_request(exchange, store)
    rule.raises = "on_level"
    await limits.settle(exchange, store, Usage(output=60), None)
    assert (exchange.verdicts[-1].action, exchange.verdicts[-1].reason) == (
        Action.FLAG,
        Reason.RULE_FAILED,
    )
    level = await store.peek("k:a")
    assert level is not None
    assert (level.used, level.reserved) == (60, 0)


# --- a hierarchy ---


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 40)), max_size=60
    )
)
async def test_budgets_of_several_scopes_are_taken_all_or_none_and_none_is_passed(
    calls: list[tuple[str, str, int]],
) -> None:
    """Global, tenant, agent, user and session; calls that run at once."""
    scopes = [("global", 400), ("tenant", 300), ("agent", 200), ("user", 120), ("session", 60)]
    rules = [budget(per, limit) for per, limit in scopes]
    pipeline, store = Pipeline(rules, DictCache()), Counting()
    running: list[Exchange] = []
    spent: dict[str, int] = {}
    for user, session, output in calls:
        exchange = make_exchange(
            make_call([], max_output=40), tenant="t", agent="a", user=user, session=user + session
        )
        before = await taken(store, spent)
        if await pipeline.on_request(exchange, store) is None:
            running.append(exchange)
        else:
            assert await taken(store, spent) == before
        spent.update(dict.fromkeys((claim.key for claim in exchange.claims), 0))
        if len(running) > 2:
            ended = running.pop(0)
            await limits.settle(ended, store, Usage(output=output), None)
    for exchange in running:
        await limits.settle(exchange, store, Usage(output=40), None)
    for key in spent:
        level = await store.peek(key)
        per = next(limit for name, limit in scopes if f":b-{name}:" in key)
        assert level is None or (level.reserved == 0 and level.used <= per)


async def taken(store: Counting, keys: Iterable[str]) -> dict[str, tuple[int, int]]:
    """What is used and reserved; a counter that holds nothing may as well be forgotten."""
    levels = {key: await store.peek(key) for key in keys}
    return {key: (level.used, level.reserved) if level else (0, 0) for key, level in levels.items()}


def budget(per: str, limit: int) -> BudgetRule:
    options = BudgetOptions.model_validate(
        {"kind": "budget", "per": per, "limit": f"{limit} tokens", "window": "total"}
    )
    return BudgetRule(options, RuleRef("p", f"b-{per}", "budget"), Mode.ENFORCE, make_workshop())
