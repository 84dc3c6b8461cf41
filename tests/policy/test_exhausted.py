"""What a spent budget does instead of a refusal: decided once, exact, and no way round a rule."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Call, ToolCall, Usage
from gateway.exchange import Exchange
from gateway.policy import exhausted, limits
from gateway.policy.budget_options import BudgetOptions
from gateway.policy.kinds.budget import BudgetRule
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Rule
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Claim, StoreError
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.upstream.prices import packaged_prices
from gateway.verdict import Mode, Reason, RuleRef
from tests.policy.fakes import DictCache

NOW = 1_795_240_000.0
DOLLAR = 10**9


class Willing(PlainCall):
    """A call of a dialect that can be changed."""

    notes: tuple[str, ...] = ()

    def rename_model(self, name: str) -> bool:
        self.model = name
        return True

    def conclude(self, note: str) -> bool:
        self.notes += (note,)
        return True


def asking(model: str = "gpt-4o", max_output: int | None = 1000, text: str = "") -> Willing:
    made = make_call([("user", text)])
    call = Willing(made.document)
    call.segments = made.segments
    call.model, call.max_output = model, max_output
    return call


def budget(name: str = "b", mode: Mode = Mode.ENFORCE, **keys: Any) -> BudgetRule:
    given = {"kind": "budget", "per": "session", "limit": "$0.02", **keys}
    options = BudgetOptions.model_validate(given)
    return BudgetRule(options, RuleRef("p", name, "budget"), mode, make_workshop())


CHEAPER: dict[str, Any] = {"on_exhausted": "downgrade", "downgrade_to": "gpt-4o-mini"}
LAST: dict[str, Any] = {"on_exhausted": "wrap_up", "keep_back": "25%"}


class Till:
    """Rules before one store."""

    def __init__(self, *rules: Rule) -> None:
        self.pipeline = Pipeline(rules, DictCache())
        self.store = MemoryStore(lambda: NOW)

    async def ask(self, call: Call, **identity: Any) -> Exchange:
        exchange = make_exchange(call, now=NOW, **identity)
        if await self.pipeline.on_request(exchange, self.store) is None:
            exchange.sent = True
        return exchange

    async def end(self, exchange: Exchange, output: int) -> None:
        await limits.settle(exchange, self.store, Usage(output=output), None)

    async def spend(self, output: int, model: str = "gpt-4o") -> None:
        exchange = await self.ask(asking(model, output))
        assert exchange.sent, exchange.verdicts
        await self.end(exchange, output)


def said(exchange: Exchange) -> list[str]:
    return [verdict.reason.value for verdict in exchange.verdicts]


# --- a cheaper model ---


async def test_what_does_not_fit_asks_the_cheaper_model_and_is_reserved_at_its_price() -> None:
    till = Till(budget(**CHEAPER))
    await till.spend(1500)
    exchange = await till.ask(asking())
    assert exchange.call is not None
    assert exchange.call.model == "gpt-4o-mini"
    assert said(exchange) == ["budget_downgraded"]
    assert exchange.notices == {"x-portcullis-budget": "downgraded"}
    assert [claim.amount for claim in exchange.claims] == [1000 * 600]


async def test_where_the_cheaper_one_does_not_fit_either_the_call_is_refused() -> None:
    till = Till(budget(**CHEAPER, id="b"))
    await till.spend(2000)
    exchange = await till.ask(asking())
    assert not exchange.sent
    assert said(exchange) == ["budget_downgraded", "budget_exceeded"]


async def test_what_others_hold_is_no_reason_for_another_model() -> None:
    till = Till(budget(**CHEAPER))
    await till.ask(asking())
    await till.ask(asking())
    exchange = await till.ask(asking())
    assert said(exchange) == ["budget_reserved"]


async def test_other_limits_see_the_cheaper_model() -> None:
    """A budget for each model: the cheaper one's is counted, the dearer one's not."""
    by_model = budget("m", per="model", limit="$1")
    till = Till(budget(**CHEAPER), by_model)
    await till.spend(1500)
    exchange = await till.ask(asking())
    mine = by_model.claims(make_exchange(asking("gpt-4o-mini"), now=NOW))
    assert {claim.key for claim in mine} < {claim.key for claim in exchange.claims}


async def test_what_was_refused_before_the_change_is_not_taken_for_what_is_held_after_it() -> None:
    """The store goes away between the two admissions, and nothing is claimed in the end."""
    till = Till(budget(**CHEAPER))
    await till.spend(1500)

    async def away(claims: Sequence[Claim]) -> Admission:
        if exchange.call.model == "gpt-4o-mini":  # type: ignore[union-attr]
            raise StoreError("away")
        return await MemoryStore.admit(till.store, claims)

    till.store.admit = away  # type: ignore[method-assign]
    exchange = make_exchange(asking(), now=NOW)
    assert await till.pipeline.on_request(exchange, till.store) is not None
    assert said(exchange) == ["budget_downgraded", "store_unavailable"]
    assert (exchange.claims, exchange.admission, len(exchange.tried)) == ([], None, 1)


async def test_two_budgets_may_both_have_a_way_out() -> None:
    till = Till(budget("one", **CHEAPER), budget("two", per="tenant", limit="$0.0155", **LAST))
    await till.spend(1100)
    exchange = await till.ask(asking())
    assert exchange.sent, exchange.verdicts
    assert said(exchange)[0] == "budget_downgraded"


async def test_an_output_cap_that_the_cheaper_model_cannot_take_is_lowered() -> None:
    till = Till(budget(limit="$0.10", on_exhausted="downgrade", downgrade_to="gpt-4o-mini"))
    exchange = await till.ask(asking("gpt-4.1", 30_000))
    assert exchange.call is not None
    assert (exchange.call.model, exchange.call.max_output) == ("gpt-4o-mini", 16_384)


async def test_what_is_kept_back_is_for_who_asks_for_the_cheaper_model_too() -> None:
    till = Till(budget(limit="$0.02", keep_back="50%", **CHEAPER))
    await till.spend(1000)
    exchange = await till.ask(asking("gpt-4o-mini"))
    assert (exchange.sent, said(exchange)) == (True, [])


@pytest.mark.parametrize(
    ("name", "value"), [("operation", "embeddings"), ("deferred", True), ("fixed_cost", DOLLAR)]
)
async def test_what_is_no_conversation_that_is_answered_now_is_refused(
    name: str, value: Any
) -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    call = asking(text="x" * 5000)
    setattr(call, name, value)
    exchange = await till.ask(call)
    assert said(exchange) == ["budget_exceeded"]


def test_a_cheaper_model_without_a_price_is_an_error_of_the_file() -> None:
    with pytest.raises(ValueError, match="'nobody-priced-this', which has no price"):
        budget(on_exhausted="downgrade", downgrade_to="nobody-priced-this")


@pytest.mark.parametrize(
    ("asked", "provider", "taken"),
    [
        ("gpt-4o", "openai", ["gpt-4o-mini"]),
        ("claude-sonnet-4-5", "anthropic", ["claude-haiku-4-5"]),
        ("gpt-4o-mini", "openai", []),
        ("nobody-priced-this", "anthropic", ["claude-haiku-4-5"]),
        ("llama3", "ollama", []),
    ],
)
def test_models_of_the_same_maker_take_each_other_s_place(
    asked: str, provider: str, taken: list[str]
) -> None:
    names = ("gpt-4o-mini", "claude-haiku-4-5")
    assert list(exhausted.siblings(names, asked, provider, packaged_prices())) == taken


# --- one last answer ---


async def test_the_last_answer_may_use_what_is_left_and_no_more() -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    exchange = await till.ask(asking())
    assert exchange.call is not None
    assert isinstance(exchange.call, Willing)
    assert exchange.call.notes == (exhausted.NOTE,)
    assert exchange.call.max_output == 900
    assert said(exchange) == ["budget_wrap_up"]
    assert exchange.notices == {"x-portcullis-budget": "last answer"}
    assert exchange.verdicts[0].what.endswith("without tools and of at most 900 tokens")


async def test_there_is_one_and_then_none() -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    last = await till.ask(asking())
    meanwhile = await till.ask(asking(max_output=500))
    assert said(meanwhile) == ["budget_exceeded"]
    await till.end(last, 300)
    after = await till.ask(asking(max_output=500))
    assert said(after)[-1] == "budget_exceeded"
    assert "its last answer was given" in after.verdicts[-1].what
    small = await till.ask(asking(max_output=50))
    assert (small.sent, said(small)) == (True, [])


async def test_one_that_was_not_given_may_still_be_given() -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    refused = await till.ask(asking())
    await limits.release(refused, till.store)
    again = await till.ask(asking())
    assert said(again) == ["budget_wrap_up"]


async def test_every_session_has_one_of_its_own() -> None:
    till = Till(budget(**LAST))
    for session in ("s1", "s2"):
        exchange = await till.ask(asking(max_output=1100), session=session)
        await till.end(exchange, 1100)
        assert said(await till.ask(asking(), session=session)) == ["budget_wrap_up"]


async def test_of_many_at_once_one_is_the_last() -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    exchanges = await asyncio.gather(*(till.ask(asking()) for _ in range(20)))
    assert len([each for each in exchanges if each.sent]) == 1


async def test_where_what_is_left_does_not_pay_for_an_answer_the_call_is_refused() -> None:
    till = Till(budget(**LAST))
    await till.spend(1500)
    exchange = await till.ask(asking(max_output=100, text="x" * 1999))
    assert said(exchange) == ["budget_exceeded"]


async def test_a_call_that_no_budget_could_hold_is_no_last_one() -> None:
    exchange = await Till(budget(**LAST)).ask(asking(max_output=5000))
    assert said(exchange) == ["budget_exceeded"]


async def test_a_dialect_that_cannot_is_refused() -> None:
    till = Till(budget(**LAST))
    await till.spend(1100)
    exchange = await till.ask(make_call([], model="gpt-4o", max_output=1000))
    assert said(exchange) == ["budget_exceeded"]


async def test_its_tool_calls_are_taken_out_and_those_of_other_answers_are_not() -> None:
    till = Till(budget(**LAST))
    before = await till.ask(asking(max_output=1100))
    assert till.pipeline.guard(before).on_call(ToolCall("c", "search", "{}")).removed is None
    assert not till.pipeline.guard(before).rules.hold_calls
    await till.end(before, 1100)
    last = await till.ask(asking())
    guard = till.pipeline.guard(last)
    removed = guard.on_call(ToolCall("c", "search", "{}")).removed
    assert removed is not None
    assert "rule p/b gave the last answer of its budget" in removed
    assert last.verdicts[-1].reason is Reason.BUDGET_WRAP_UP
    assert last.verdicts[-1].of_call


async def test_in_shadow_nothing_is_changed() -> None:
    till = Till(budget(mode=Mode.SHADOW, **LAST))
    await till.spend(1100)
    exchange = await till.ask(asking())
    assert exchange.sent
    assert said(exchange) == ["budget_exceeded"]
    assert exchange.verdicts[0].shadow


async def test_a_rule_that_cannot_say_how_leaves_the_call_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = budget(**LAST)
    till = Till(rule)
    await till.spend(1100)

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(rule, "way_out", fail)
    exchange = await till.ask(asking())
    assert said(exchange) == ["rule_failed", "budget_exceeded"]


@given(
    base=st.integers(0, 1000),
    rate=st.integers(0, 50),
    left=st.integers(0, 5000),
    bound=st.integers(0, 300),
)
def test_no_more_tokens_than_can_be_paid_for_and_not_one_less(
    base: int, rate: int, left: int, bound: int
) -> None:
    def most(tokens: int) -> int:
        return base + rate * tokens

    found = exhausted.affordable(most, left, bound)
    assert 0 <= found <= bound
    assert found == 0 or most(found) <= left
    assert found == bound or most(found + 1) > left


@given(costs=st.lists(st.integers(1, 600), max_size=40))
async def test_spend_never_passes_the_limit_with_a_last_answer_or_a_cheaper_model(
    costs: list[int],
) -> None:
    for keys in (LAST, CHEAPER):
        till = Till(budget(**keys))
        key = ""
        for output in costs:
            exchange = await till.ask(asking(max_output=output))
            if exchange.sent:
                key = exchange.claims[0].key
                assert exchange.call is not None
                await till.end(exchange, exchange.call.max_output or 0)
        if key:
            level = await till.store.peek(key)
            assert level is not None
            assert (level.used <= DOLLAR // 50, level.reserved) == (True, 0)
