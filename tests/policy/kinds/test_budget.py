"""`budget`: what is reserved, what is charged, when it warns and refuses, and with what words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Call, Surface, Unscannable, Usage
from gateway.exchange import Exchange
from gateway.policy.budget_options import BudgetOptions
from gateway.policy.kinds.budget import BudgetRule
from gateway.policy.rule import Once
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Level
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

NOW = 1_795_240_000.0  # 2026-11-21 05:46:40 UTC
DOLLAR = 10**9


def rule(mode: Mode = Mode.ENFORCE, **keys: Any) -> BudgetRule:
    given_keys = {"kind": "budget", "per": "session", "limit": "$1.00", **keys}
    options = BudgetOptions.model_validate(given_keys)
    return BudgetRule(options, RuleRef("p", "b", "budget"), mode, make_workshop())


class Unbounded(PlainCall):
    def input_bound(self) -> int:
        return -1


class Gate:
    """One rule before one store."""

    def __init__(self, budget: BudgetRule) -> None:
        self.budget = budget
        self.store = MemoryStore(lambda: NOW)

    async def ask(self, call: Call, **identity: Any) -> tuple[Exchange, Admission, list[Verdict]]:
        exchange = make_exchange(call, now=NOW, **identity)
        exchange.claims = list(self.budget.claims(exchange))
        admission = exchange.admission = await self.store.admit(exchange.claims)
        said: list[Verdict] = []
        if admission.refusal is not None:
            claim = exchange.claims[admission.refusal.index]
            said.append(self.budget.on_refusal(exchange, claim, admission.refusal))
        else:
            for claim, level in zip(exchange.claims, admission.levels, strict=True):
                said += [once.verdict for once in self.budget.on_level(exchange, claim, level)]
        return exchange, admission, said

    async def spend(self, call: Call, usage: Usage) -> None:
        exchange, admission, said = await self.ask(call)
        assert admission.refusal is None, said
        amounts = [self.budget.actual(exchange, c, usage, None) for c in exchange.claims]
        await self.store.settle(admission.lease, amounts)


def call(text: str = "", model: str = "gpt-4o-mini", max_output: int | None = 1000) -> PlainCall:
    return make_call([("user", text)], model=model, max_output=max_output)


def reserved(budget: BudgetRule, of: Call) -> int:
    (claim,) = budget.claims(make_exchange(of))
    return claim.amount


def test_the_most_that_a_call_can_cost_is_reserved() -> None:
    # gpt-4o-mini: $0.15 and $0.60 a million; one token is at least one byte
    assert reserved(rule(), call("x" * 4000)) == 4000 * 150 + 1000 * 600


def test_what_a_write_to_the_cache_costs_is_reserved_with_it() -> None:
    # claude-haiku-4-5: an hour's cache write is $2, output $5
    assert reserved(rule(), call("x" * 100, "claude-haiku-4-5")) == 100 * 2000 + 1000 * 5000


def test_without_a_limit_in_the_request_the_model_s_own_counts() -> None:
    assert reserved(rule(), call("", max_output=None)) == 16_384 * 600


def test_every_choice_is_reserved() -> None:
    of = call()
    of.choices = 3
    assert reserved(rule(), of) == 3 * 1000 * 600
    assert reserved(rule(limit="1000 tokens"), of) == 3000


def test_a_history_that_the_provider_keeps_is_reserved_at_the_model_s_context() -> None:
    of = Unbounded(call().document)
    of.model, of.max_output = "gpt-4o-mini", 0
    assert reserved(rule(), of) == 128_000 * 150
    assert reserved(rule(limit="1M tokens"), of) == 128_000


def test_embeddings_have_no_output() -> None:
    of = call("x" * 1000, "text-embedding-3-small", None)
    of.operation = "embeddings"
    assert reserved(rule(), of) == 1000 * 20
    assert reserved(rule(limit="1k tokens"), of) == 1000


def test_an_absurd_request_is_refused_not_an_error() -> None:
    of = call(max_output=10**40)
    (claim,) = rule().claims(make_exchange(of))
    asyncio.run(MemoryStore(lambda: NOW).admit([claim]))


def test_a_call_that_is_not_charged_for_takes_nothing() -> None:
    of = call("x" * 1000)
    of.billable = False
    assert rule().claims(make_exchange(of)) == ()


def test_cached_and_reasoning_tokens_are_charged_at_their_price() -> None:
    budget = rule()
    exchange = make_exchange(call(model="claude-haiku-4-5"))
    (claim,) = budget.claims(exchange)
    usage = Usage(10, cache_read=1000, cache_write=100, cache_write_1h=10, output=50, reasoning=40)
    expected = 10 * 1000 + 1000 * 100 + 100 * 1250 + 10 * 2000 + 50 * 5000
    assert budget.actual(exchange, claim, usage, None) == expected
    assert budget.actual(exchange, claim, usage, 77) == 77
    tokens = rule(limit="1M tokens")
    assert tokens.actual(exchange, claim, usage, 77) == 1170


def test_the_model_that_served_is_charged() -> None:
    budget = rule()
    exchange = make_exchange(call(model="gpt-4o-mini"))
    (claim,) = budget.claims(exchange)
    exchange.model_served = "gpt-4o-2024-08-06"
    assert budget.actual(exchange, claim, Usage(output=100), None) == 100 * 10_000


async def test_a_spent_budget_refuses_for_good_and_says_when_it_begins_anew() -> None:
    gate = Gate(rule(limit="$0.0006", per="tenant", window="day"))
    await gate.spend(call(), Usage(output=1000))
    _, _, (verdict,) = await gate.ask(call())
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.BUDGET_EXCEEDED)
    assert verdict.retry_after is None
    assert "$0.0006 per tenant, and it is spent" in verdict.what
    assert verdict.instead == "The budget begins anew at 2026-11-22 00:00 UTC."


async def test_too_little_left_says_how_much_and_what_would_help() -> None:
    gate = Gate(rule(limit="$0.001"))
    await gate.spend(call(), Usage(output=1000))
    _, _, (verdict,) = await gate.ask(call())
    assert verdict.reason is Reason.BUDGET_EXCEEDED
    assert "$0.0004 left of a budget of $0.001 per session" in verdict.what
    assert "up to $0.0006" in verdict.what
    assert "fewer output tokens" in verdict.instead
    assert (await gate.ask(call(max_output=600)))[2] == []


async def test_held_by_others_asks_to_come_back_soon() -> None:
    gate = Gate(rule(limit="$0.001"))
    await gate.ask(call())
    _, _, (verdict,) = await gate.ask(call())
    assert (verdict.action, verdict.reason) == (Action.THROTTLE, Reason.BUDGET_RESERVED)
    assert verdict.retry_after == 1.0


def test_each_step_that_is_reached_is_told_until_it_was() -> None:
    budget = rule(limit="1000 tokens", warn_at=["80%", "50%"])
    exchange = make_exchange(call(), now=NOW)
    (claim,) = budget.claims(exchange)

    def told(used: int) -> list[Once]:
        return list(budget.on_level(exchange, claim, Level(used, 0, 1000)))

    assert told(499) == []
    (half,) = told(500)
    assert (half.verdict.action, half.verdict.reason) == (Action.FLAG, Reason.BUDGET_WARNING)
    assert "500 tokens of 1000 tokens per session, past 50%" in half.verdict.what
    assert half.ttl == 7 * 86400
    half.told.note(half.key, NOW + half.ttl)
    assert told(799) == []
    (most,) = told(900)
    assert "past 80%" in most.verdict.what
    assert most.key != half.key


def test_an_edited_limit_has_steps_of_its_own() -> None:
    exchange = make_exchange(call(), now=NOW)
    keys = set()
    for limit in ("$1.00", "$2.00"):
        budget = rule(limit=limit, per="tenant", warn_at=["50%"])
        (claim,) = budget.claims(exchange)
        (step,) = budget.on_level(exchange, claim, Level(10**9, 0, 1))
        keys.add(step.key)
    assert len(keys) == 2


def test_an_unknown_model_is_counted_like_the_dearest_and_flagged() -> None:
    budget = rule()
    (verdict,) = budget.on_request(make_exchange(call(model="who-knows")))
    assert (verdict.action, verdict.reason) == (Action.FLAG, Reason.PRICE_UNKNOWN)
    assert reserved(budget, call(model="who-knows")) == 1000 * 600_000  # o1-pro's $600 a million


def test_an_unknown_model_may_be_refused() -> None:
    budget = rule(unknown_model="block")
    (verdict,) = budget.on_request(make_exchange(call(model="who-knows")))
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.PRICE_UNKNOWN)
    assert "prices:" in verdict.instead or "price added" in verdict.instead
    assert budget.on_request(make_exchange(call())) == ()


async def test_a_refusal_of_an_unknown_model_says_that_this_is_why() -> None:
    _, _, (verdict,) = await Gate(rule(limit="$0.01")).ask(call(model="who-knows"))
    assert "no price in the table" in verdict.instead


def test_a_token_budget_needs_no_price() -> None:
    assert rule(limit="9k tokens").on_request(make_exchange(call(model="who-knows"))) == ()


@pytest.mark.parametrize(
    ("setting", "action"), [("flag", Action.FLAG), ("block", Action.BLOCK), ("allow", None)]
)
def test_a_body_that_no_dialect_reads_follows_unscannable(
    setting: str, action: Action | None
) -> None:
    of = make_call(unscannable=[Unscannable("body", Surface.USER, "body")])
    of.operation = "opaque"
    budget = rule(unscannable=setting)
    found = [verdict.action for verdict in budget.on_request(make_exchange(of))]
    assert found == ([action] if action else [])
    assert budget.claims(make_exchange(of)) == ()


@pytest.mark.parametrize(
    ("setting", "action"), [("flag", Action.FLAG), ("block", Action.BLOCK), ("allow", None)]
)
def test_a_batch_whose_requests_are_in_a_file_follows_unscannable(
    setting: str, action: Action | None
) -> None:
    of = make_call(unscannable=[Unscannable("file", Surface.USER, "input_file_id", fresh=False)])
    of.operation, of.billable = "batch_file", False
    budget = rule(unscannable=setting)
    found = [verdict.action for verdict in budget.on_request(make_exchange(of))]
    assert found == ([action] if action else [])
    assert budget.claims(make_exchange(of)) == ()


def test_a_call_without_the_scope_is_refused_or_shares() -> None:
    (verdict,) = rule(per="user").on_request(make_exchange(call(), user=""))
    assert verdict.reason is Reason.SCOPE_MISSING
    shared = rule(per="user", missing="shared")
    assert shared.on_request(make_exchange(call(), user="")) == ()
    assert len(shared.claims(make_exchange(call(), user=""))) == 1


def test_windows_and_sessions_have_counters_of_their_own() -> None:
    def key(budget: BudgetRule, session: str = "s1", now: float = NOW) -> str:
        (claim,) = budget.claims(make_exchange(call(), session=session, now=now))
        return claim.key

    day = rule(per="tenant", window="day")
    assert key(day) == key(day, session="s2")
    assert key(day) != key(day, now=NOW + 86400)
    assert key(rule()) != key(rule(), session="s2")
    assert key(rule()) == key(rule(), now=NOW + 86400)
    # `window: session` is the session's, whoever else is counted
    assert key(rule(per="tenant", window="session")) != key(
        rule(per="tenant", window="session"), session="s2"
    )
    assert key(rule(per="tenant")) == key(rule(per="tenant"), session="s2", now=NOW + 1e8)


def test_a_window_s_counter_may_be_forgotten_a_total_s_not() -> None:
    def expires(**keys: Any) -> int | None:
        (claim,) = rule(**keys).claims(make_exchange(call(), now=NOW))
        return claim.expires

    day = expires(per="tenant", window="day")
    assert day is not None
    assert day > NOW + 86400
    assert expires(per="tenant") is None


async def test_in_shadow_it_refuses_nothing_and_counts_on() -> None:
    gate = Gate(rule(Mode.SHADOW, limit="$0.0001"))
    exchange, admission, _ = await gate.ask(call())
    assert admission.refusal is None
    assert len(admission.would_refuse) == 1
    assert admission.levels == (Level(0, 600_000, 100_000),)
    refusal = admission.would_refuse[0]
    assert not gate.budget.on_refusal(exchange, exchange.claims[0], refusal).stops


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "lose"]),
        st.integers(0, 3000),
        st.floats(0, 1),
        st.integers(0, 20),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, limit=st.integers(1, 5_000_000))
def test_spend_never_passes_the_limit_in_whatever_order_calls_begin_and_end(
    steps: list[tuple[str, int, float, int]], limit: int
) -> None:
    budget = rule(limit=f"${limit / DOLLAR:.9f}")

    async def run() -> None:
        now = [NOW]
        store = MemoryStore(lambda: now[0])
        running: list[tuple[Exchange, Admission]] = []
        spent = 0
        for what, output, share, which in steps:
            if what == "ask":
                exchange = make_exchange(call("some text", max_output=output), now=now[0])
                exchange.claims = list(budget.claims(exchange))
                admission = await store.admit(exchange.claims)
                if admission.lease:
                    running.append((exchange, admission))
            elif running and what == "end":
                exchange, admission = running.pop(which % len(running))
                assert exchange.call is not None
                usage = Usage(
                    input=int(9 * share), output=int((exchange.call.max_output or 0) * share)
                )
                cost = budget.actual(exchange, exchange.claims[0], usage, None)
                await store.settle(admission.lease, [cost])
                spent += cost
            elif what == "lose":  # the process that made them has gone: charged in full
                spent += sum(each[0].claims[0].amount for each in running)
                running.clear()
                now[0] += 60
            level = await store.peek(budget.claims(make_exchange(call(), now=NOW))[0].key)
            if level is not None:
                assert level.used == spent <= limit
                assert level.used + level.reserved <= limit

    asyncio.run(run())


def priced(nanodollars: int) -> PlainCall:
    """A call that has a price of its own, as calls of tools do."""
    made = make_call()
    made.billable = False
    made.operation = "tool"
    made.fixed_cost = nanodollars
    return made


def test_a_call_with_a_price_of_its_own_takes_that_and_nothing_else() -> None:
    assert reserved(rule(), priced(2_000_000)) == 2_000_000
    assert not rule(unknown_model="block").on_request(make_exchange(priced(5)))
    assert not rule(limit="1000 tokens").claims(make_exchange(priced(5)))


async def test_what_a_tool_costs_is_refused_in_words_of_its_own() -> None:
    _, _, (said,) = await Gate(rule(per="tenant", limit="$0.01")).ask(priced(DOLLAR))
    assert (said.action, said.reason) == (Action.BLOCK, Reason.BUDGET_EXCEEDED)
    assert "cheaper model" not in said.instead
    assert said.instead
