"""A stream takes more while it needs it, is ended where there is no more, and pays once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Usage
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange
from gateway.message import Headers, Request
from gateway.policy import limits
from gateway.policy.budget_options import BudgetOptions
from gateway.policy.kinds.budget import BudgetRule
from gateway.policy.meter import BYTES_HELD, BYTES_OVER, MARGIN, Meter, meter_of
from gateway.policy.pipeline import Pipeline
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Claim, StoreError
from gateway.testing import make_call, make_exchange, make_workshop
from gateway.verdict import Mode, Reason, RuleRef
from tests.policy.fakes import DictCache
from tests.policy.test_cases import compiled

NOW = 1_795_240_000.0
STEP = 300


class Watched(MemoryStore):
    """Counts admissions; may stop to answer; its time can be moved on."""

    def __init__(self) -> None:
        self.now = NOW
        super().__init__(lambda: self.now)
        self.admitted: list[list[Claim]] = []
        self.down = False

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        if self.down:
            raise StoreError("down")
        self.admitted.append(list(claims))
        return await super().admit(claims)


class Stream:
    """A streamed call behind one budget in tokens, as it begins."""

    def __init__(self, limit: int, max_output: int | None = 1000, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        given = {"kind": "budget", "per": "tenant", "limit": f"{limit} tokens", **keys}
        options = BudgetOptions.model_validate(given)
        self.budget = BudgetRule(options, RuleRef("p", "b", "budget"), mode, make_workshop())
        self.store = Watched()
        self.pipeline = Pipeline([self.budget], DictCache())

    async def begin(self, max_output: int | None = 1000, model: str = "gpt-4o-mini") -> Exchange:
        call = make_call([], model=model, max_output=max_output)
        call.stream = True
        exchange = make_exchange(call, now=NOW)
        assert await self.pipeline.on_request(exchange, self.store) is None
        exchange.sent = True
        return exchange

    def meter(self, exchange: Exchange) -> Meter:
        meter = meter_of(exchange)
        assert meter is not None
        return meter

    async def level(self, exchange: Exchange) -> tuple[int, int]:
        level = await self.store.peek(exchange.claims[0].key)
        assert level is not None
        return level.used, level.reserved


async def test_all_that_an_answer_may_have_is_reserved_unless_told_otherwise() -> None:
    whole, part = Stream(5000), Stream(5000, reserve_output=STEP)
    exchange = await whole.begin()
    assert exchange.claims[0].amount == 1000
    assert whole.meter(exchange).held == 1000
    exchange = await part.begin()
    assert exchange.claims[0].amount == STEP
    assert part.meter(exchange).held == STEP


async def test_more_is_taken_before_what_is_held_is_used_up() -> None:
    stream = Stream(5000, reserve_output=STEP)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    ahead = (STEP - STEP // 2) * BYTES_HELD
    assert not meter.due(ahead, None)
    assert meter.due(ahead + 1, None)
    assert await meter.extend(stream.store, ahead + 1, None) is None
    assert meter.held == 2 * STEP
    assert not meter.due(ahead + 1, None)
    assert await stream.level(exchange) == (0, 2 * STEP)


async def test_no_more_is_taken_than_the_answer_may_have() -> None:
    stream = Stream(5000, reserve_output=STEP)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    assert await meter.extend(stream.store, 1000 * BYTES_HELD, None) is None
    assert meter.held == 1000
    assert await stream.level(exchange) == (0, 1000)
    assert not meter.due(1000 * BYTES_HELD, None)


async def test_what_the_provider_counts_in_the_stream_counts_if_it_is_more() -> None:
    stream = Stream(5000, reserve_output=STEP)
    meter = stream.meter(await stream.begin())
    assert not meter.due(10, Usage(output=STEP // 2))
    assert meter.due(10, Usage(output=STEP))


async def test_where_there_is_no_more_the_stream_ends_and_pays_what_came() -> None:
    stream = Stream(2 * STEP, reserve_output=STEP)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    assert await meter.extend(stream.store, STEP * BYTES_HELD, None) is None
    text = 2 * STEP * BYTES_HELD + 1
    verdict = await meter.extend(stream.store, text, None)
    assert verdict is not None
    assert verdict.stops
    assert verdict.reason is Reason.BUDGET_EXCEEDED
    assert verdict.what == "has a budget of 600 tokens per tenant, and this answer reached it"
    assert exchange.stopped == verdict
    await limits.settle(exchange, stream.store, Usage(output=450, estimated=True), None)
    assert await stream.level(exchange) == (450, 0)
    assert exchange.settled_amounts == (450,)


async def test_what_is_refused_while_some_is_left_is_asked_for_once_more() -> None:
    """Others hold the rest for a while; when the stream needs it, it is free again."""
    stream = Stream(2 * STEP, reserve_output=STEP)
    other = await stream.begin()
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    half = STEP // 2 * BYTES_HELD + 1
    assert await meter.extend(stream.store, half, None) is None
    assert meter.held == STEP
    assert not meter.due((STEP - STEP // MARGIN) * BYTES_HELD, None)
    await limits.settle(other, stream.store, Usage(output=0), None)
    assert await meter.extend(stream.store, STEP * BYTES_HELD + 1, None) is None
    assert meter.held == 2 * STEP


async def test_an_answer_that_is_longer_than_asked_takes_more_too_and_is_cut_at_the_budget() -> (
    None
):
    stream = Stream(3000)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    assert not meter.due(1000 * BYTES_OVER, None)  # no estimate cuts what the request allows
    assert not meter.due(1000, Usage(output=1000))
    assert await meter.extend(stream.store, 10, Usage(output=1001)) is None
    assert await stream.level(exchange) == (0, 2024)
    verdict = await meter.extend(stream.store, 10, Usage(output=3001))
    assert verdict is not None
    assert verdict.reason is Reason.BUDGET_EXCEEDED


@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_a_store_that_is_away_follows_on_error(on_error: str) -> None:
    stream = Stream(5000, reserve_output=STEP, on_error=on_error)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    stream.store.down = True
    verdict = await meter.extend(stream.store, 10_000, None)
    assert (verdict is not None) == (on_error == "block")
    assert exchange.verdicts[-1].reason is Reason.STORE_UNAVAILABLE
    assert not meter.due(10**9, Usage(output=10**9))  # nor is it asked again and again


async def test_in_shadow_nothing_is_cut_and_that_it_would_be_is_said_once() -> None:
    stream = Stream(STEP, reserve_output=STEP, mode=Mode.SHADOW)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    assert await meter.extend(stream.store, 1000 * BYTES_HELD, None) is None
    assert len(exchange.extensions) > 1
    assert exchange.stopped is None
    (verdict,) = exchange.verdicts
    assert (verdict.reason, verdict.shadow) == (Reason.BUDGET_EXCEEDED, True)


async def test_a_step_costs_the_same_where_the_request_was_made_longer_by_a_rule() -> None:
    """Removed addresses leave a longer text, by more than a step of output costs."""
    text = " ".join(f"a{number}@b.co" for number in range(900))
    asked = {"model": "gpt-4o", "stream": True, "max_tokens": 4000}
    body = orjson.dumps({**asked, "messages": [{"role": "user", "content": text}]})
    path = "/v1/chat/completions"
    call = DIALECTS["openai_chat"].decode(Request("POST", path, Headers()), body)
    exchange = make_exchange(call, now=NOW)
    budget = {"kind": "budget", "per": "tenant", "limit": "$100", "reserve_output": 256}
    pii = {"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "redact"}
    store = Watched()
    assert await compiled([budget, pii]).on_request(exchange, store) is None
    assert len(call.encode()) > len(body) + 1024
    meter = meter_of(exchange)
    assert meter is not None
    assert await meter.extend(store, 256 * BYTES_HELD, None) is None
    assert [more.claims[0].amount for more in exchange.extensions] == [256 * 10_000]  # $10 / 1M


async def test_reasoning_that_does_not_show_is_reserved_in_full() -> None:
    stream = Stream(5000, reserve_output=STEP)

    class Hiding(type(make_call())):  # type: ignore[misc]
        def shows_output(self) -> bool:
            return False

    call = Hiding(make_call().document)
    call.model, call.max_output, call.stream = "gpt-4o-mini", 1000, True
    (claim,) = stream.budget.claims(make_exchange(call, now=NOW))
    assert claim.amount == 1000


async def test_a_lease_that_ran_out_was_charged_and_leaves_nothing_unpaid() -> None:
    """The gateway that held them stood still: the extension is renewed, the admission is not."""
    stream = Stream(5000, reserve_output=STEP)
    exchange = await stream.begin()
    meter = stream.meter(exchange)
    stream.store.now += 50
    assert await meter.extend(stream.store, STEP * BYTES_HELD, None) is None
    stream.store.now += 20  # the admission's lease is over
    await limits.settle(exchange, stream.store, Usage(output=550), None)
    assert await stream.level(exchange) == (STEP + STEP, 0)


async def test_a_call_without_a_budget_or_a_refused_one_has_no_meter() -> None:
    assert meter_of(make_exchange(make_call())) is None
    stream = Stream(100)
    call = make_call([], model="gpt-4o-mini", max_output=1000)
    call.stream = True
    exchange = make_exchange(call, now=NOW)
    assert await stream.pipeline.on_request(exchange, stream.store) is not None
    assert meter_of(exchange) is None


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(300, 6000),
    pieces=st.lists(st.tuples(st.integers(0, 3), st.integers(1, STEP // MARGIN)), max_size=400),
)
async def test_spend_never_passes_the_limit_however_streams_run_side_by_side(
    limit: int, pieces: list[tuple[int, int]]
) -> None:
    """Four streams whose tokens have the fewest bytes that are counted on."""
    stream = Stream(limit, reserve_output=STEP)
    running: dict[int, tuple[Exchange, Meter]] = {}
    written = dict.fromkeys(range(4), 0)
    key = ""
    for number, tokens in pieces:
        if number not in running:
            call = make_call([], model="gpt-4o-mini", max_output=4000)
            call.stream = True
            exchange = make_exchange(call, now=NOW)
            if await stream.pipeline.on_request(exchange, stream.store) is not None:
                continue
            running[number], written[number] = (exchange, stream.meter(exchange)), 0
            key = exchange.claims[0].key
        exchange, meter = running[number]
        written[number] += tokens
        ended = await meter.extend(stream.store, written[number] * BYTES_HELD, None) is not None
        if ended or written[number] > 3900:
            await limits.settle(exchange, stream.store, Usage(output=written[number]), None)
            del running[number]
        level = await stream.store.peek(key)
        assert level is not None
        assert level.used + level.reserved <= limit
    for number, (exchange, _) in running.items():
        await limits.settle(exchange, stream.store, Usage(output=written[number]), None)
    if key:
        level = await stream.store.peek(key)
        assert level is not None
        assert (level.used <= limit, level.reserved) == (True, 0)
