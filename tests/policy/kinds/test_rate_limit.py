"""`rate_limit`: what a call takes from its buckets, what it gets back, and the words for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.dialects.base import Call, Usage
from gateway.exchange import Exchange
from gateway.policy.kinds.rate_limit import RateLimitOptions, RateLimitRule
from gateway.policy.rule import call_of
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Level
from gateway.testing import make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

NOW = 1_700_000_000.0


def rule(mode: Mode = Mode.ENFORCE, **keys: Any) -> RateLimitRule:
    options = RateLimitOptions.model_validate({"kind": "rate_limit", "per": "tenant", **keys})
    return RateLimitRule(options, RuleRef("p", "r", "rate_limit"), mode, make_workshop())


def text(tokens: int, **more: Any) -> Call:
    return make_call([("user", "x" * 4 * tokens)], **more)


class Gate:
    """One rule before one store, with a clock of its own."""

    def __init__(self, limit: RateLimitRule) -> None:
        self.limit = limit
        self.now = NOW
        self.store = MemoryStore(lambda: self.now)

    async def ask(self, call: Call | None = None) -> tuple[Exchange, Admission, Verdict | None]:
        exchange = make_exchange(call)
        exchange.claims = list(self.limit.claims(exchange))
        admission = await self.store.admit(exchange.claims)
        refusal = admission.refusal or next(iter(admission.would_refuse), None)
        verdict = refusal and self.limit.on_refusal(
            exchange, exchange.claims[refusal.index], refusal
        )
        return exchange, admission, verdict

    async def end(self, exchange: Exchange, admission: Admission, usage: Usage) -> None:
        amounts = [self.limit.actual(exchange, claim, usage, None) for claim in exchange.claims]
        await self.store.settle(admission.lease, amounts)


async def test_requests_pass_up_to_the_rate_and_then_as_it_refills() -> None:
    gate = Gate(rule(requests="3/min"))
    for _ in range(3):
        assert (await gate.ask())[2] is None
    _, _, verdict = await gate.ask()
    assert verdict is not None
    assert (verdict.action, verdict.reason) == (Action.THROTTLE, Reason.RATE_LIMITED)
    assert verdict.retry_after == 20.0
    assert "3/min requests per tenant" in verdict.what
    gate.now += 20
    assert (await gate.ask())[2] is None
    assert (await gate.ask())[2] is not None


async def test_a_burst_is_how_much_fits_at_once() -> None:
    gate = Gate(rule(requests="60/min", burst=2))
    verdicts = [(await gate.ask())[2] for _ in range(3)]
    assert [verdict is None for verdict in verdicts] == [True, True, False]
    gate.now += 1
    assert (await gate.ask())[2] is None


async def test_tokens_are_taken_on_estimate_and_put_right_to_the_real_usage() -> None:
    gate = Gate(rule(tokens="1000/min"))
    exchange, admission, _ = await gate.ask(text(100, max_output=50))
    assert exchange.claims[0].amount == 150
    await gate.end(exchange, admission, Usage(input=80, cache_read=20, output=300, reasoning=200))
    assert await gate.store.peek(exchange.claims[0].key) == Level(400, 0, 1000)


async def test_more_than_estimated_is_owed() -> None:
    gate = Gate(rule(tokens="600/min"))
    exchange, admission, _ = await gate.ask(text(10, max_output=10))
    await gate.end(exchange, admission, Usage(input=10, output=1190))
    verdict = (await gate.ask(text(10, max_output=10)))[2]
    assert verdict is not None
    assert verdict.retry_after == 62.0
    assert "62 s" in verdict.instead


@pytest.mark.parametrize(
    ("call", "amount"),
    [
        (text(100), 600),  # an answer of usual length is expected
        (text(100, max_output=40), 140),
        (text(100, max_output=32_000), 600),  # asked for is not used
        (text(800), 1000),  # the expected answer counts as far as it fits
    ],
)
def test_what_a_call_takes(call: Call, amount: int) -> None:
    (claim,) = rule(tokens="1000/min").claims(make_exchange(call))
    assert claim.amount == amount


async def test_a_request_larger_than_the_bucket_is_told_so_instead_of_to_wait() -> None:
    gate = Gate(rule(tokens="1000/min"))
    _, _, verdict = await gate.ask(text(1001))
    assert verdict is not None
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.SIZE_EXCEEDED)
    assert verdict.retry_after is None
    assert "1001" in verdict.what


def test_counting_tokens_takes_a_request_but_no_tokens() -> None:
    call = text(100)
    call.billable = False
    call.operation = "count_tokens"
    amounts = [
        c.amount for c in rule(tokens="1k/min", requests="9/min").claims(make_exchange(call))
    ]
    assert amounts == [1, 0]


def test_embeddings_have_no_answer_to_expect() -> None:
    call = text(100)
    call.operation = "embeddings"
    (claim,) = rule(tokens="1000/min").claims(make_exchange(call))
    assert claim.amount == 100


def test_what_no_dialect_read_stays_at_its_estimate_once_it_was_sent() -> None:
    call = text(100)
    call.operation = "opaque"
    exchange = make_exchange(call)
    limit = rule(tokens="1000/min")
    (claim,) = limit.claims(exchange)
    assert limit.actual(exchange, claim, Usage(), None) == 0
    exchange.sent = True
    assert limit.actual(exchange, claim, Usage(), None) == 100


async def test_a_request_stays_counted_when_it_was_never_sent() -> None:
    gate = Gate(rule(requests="2/min", tokens="1k/min"))
    exchange, admission, _ = await gate.ask()
    await gate.end(exchange, admission, Usage())
    levels = [await gate.store.peek(claim.key) for claim in exchange.claims]
    assert levels == [Level(1, 0, 2), Level(0, 0, 1000)]


async def test_in_shadow_nothing_is_held_back() -> None:
    gate = Gate(rule(Mode.SHADOW, requests="1/min"))
    assert (await gate.ask())[2] is None
    _, admission, verdict = await gate.ask()
    assert admission.refusal is None
    assert verdict is not None
    assert verdict.shadow
    assert not verdict.stops


async def test_each_scope_has_its_own_bucket() -> None:
    limit = rule(requests="1/min", per=["tenant", "user"])
    store = MemoryStore(lambda: NOW)
    passed = []
    for user in ("alice", "bob", "alice"):
        admission = await store.admit(limit.claims(make_exchange(user=user)))
        passed.append(admission.refusal is None)
    assert passed == [True, True, False]


def test_a_call_without_the_scope_is_refused_or_shares() -> None:
    strict = rule(requests="1/min", per="user")
    (verdict,) = strict.on_request(make_exchange(user=""))
    assert (verdict.action, verdict.reason) == (Action.BLOCK, Reason.SCOPE_MISSING)
    assert not strict.claims(make_exchange(user=""))
    shared = rule(requests="1/min", per="user", missing="shared")
    assert shared.on_request(make_exchange(user="")) == ()
    assert len(shared.claims(make_exchange(user=""))) == 1


def test_usage_is_asked_for_only_where_tokens_count() -> None:
    assert not rule(requests="1/min", concurrency=5).needs_usage
    assert rule(dollars="$1/min").needs_usage
    assert rule(tokens="1/min").needs_usage


async def test_the_state_of_a_bucket_for_the_headers() -> None:
    gate = Gate(rule(requests="60/min"))
    exchange, admission, _ = await gate.ask()
    limit = gate.limit.limit_of(exchange.claims[0], admission.levels[0], NOW)
    assert (limit.unit, limit.limit, limit.remaining, limit.reset) == ("requests", 60, 59, 1.0)


async def test_a_hundred_at_once_take_no_more_than_there_is() -> None:
    gate = Gate(rule(requests="10/min"))
    asked = await asyncio.gather(*[gate.ask() for _ in range(100)])
    assert sum(verdict is None for _, _, verdict in asked) == 10


@pytest.mark.parametrize(
    ("rate", "taken", "used"),
    [("input_tokens", 100, 130), ("output_tokens", 50, 300), ("tokens", 150, 430)],
)
async def test_tokens_in_and_out_can_be_limited_apart(rate: str, taken: int, used: int) -> None:
    gate = Gate(rule(**{rate: "1000/min"}))
    exchange, admission, _ = await gate.ask(text(100, max_output=50))
    assert exchange.claims[0].amount == taken
    usage = Usage(input=80, cache_read=20, cache_write=30, output=300, reasoning=200)
    await gate.end(exchange, admission, usage)
    assert await gate.store.peek(exchange.claims[0].key) == Level(used, 0, 1000)


async def test_dollars_are_taken_on_estimate_and_put_right_to_the_real_cost() -> None:
    gate = Gate(rule(dollars="$0.01/min"))
    exchange, admission, verdict = await gate.ask(text(100, max_output=50))
    assert verdict is None
    (claim,) = exchange.claims
    prices = gate.limit.workshop.prices
    price = prices.price_of(call_of(exchange), "")
    assert claim.amount == -(-prices.cost(Usage(100, output=50), price) // 1000)
    amount = gate.limit.actual(exchange, claim, Usage(), 9_000_001)
    assert amount == 9001  # rounded up to a millionth of a dollar
    await gate.store.settle(admission.lease, [amount])
    _, _, verdict = await gate.ask(text(100, max_output=50))
    while verdict is None:
        _, _, verdict = await gate.ask(text(100, max_output=50))
    assert (verdict.action, verdict.reason) == (Action.THROTTLE, Reason.RATE_LIMITED)
    assert "allows $0.01/min per tenant" in verdict.what


async def test_a_request_dearer_than_the_bucket_is_told_so() -> None:
    gate = Gate(rule(dollars="$0.000001/min"))
    _, _, verdict = await gate.ask(text(1000))
    assert verdict is not None
    assert verdict.reason is Reason.SIZE_EXCEEDED
    assert "at most $0.000001 at once" in verdict.what


async def test_what_a_tool_costs_is_known_before_it_runs() -> None:
    call = text(1)
    call.fixed_cost = 2_500_000
    (claim,) = rule(dollars="$1/min").claims(make_exchange(call))
    assert claim.amount == 2500


async def test_a_place_is_taken_while_a_call_runs_and_given_back_when_it_ends() -> None:
    gate = Gate(rule(concurrency=2))
    exchange, admission, _ = await gate.ask()
    assert (await gate.ask())[2] is None
    _, _, verdict = await gate.ask()
    assert verdict is not None
    assert (verdict.action, verdict.reason) == (Action.THROTTLE, Reason.CONCURRENCY_LIMITED)
    assert "2 calls at once per tenant" in verdict.what
    assert verdict.retry_after == 1.0
    await gate.end(exchange, admission, Usage(output=9))
    assert (await gate.ask())[2] is None


async def test_a_place_whose_holder_died_is_free_again() -> None:
    gate = Gate(rule(concurrency=1))
    assert (await gate.ask())[2] is None
    assert (await gate.ask())[2] is not None
    gate.now += 61
    assert (await gate.ask())[2] is None


def test_tunnels_count_as_requests_and_take_places() -> None:
    assert rule(requests="1/min").judges == "both"
    assert rule(concurrency=1).judges == "both"
    assert rule(concurrency=1, per=["tenant", "model"]).judges == "calls"
    assert rule(tokens="1/min").judges == "calls"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "expected a rate"),
        ({"requests": "1/min", "tokens": "1/min", "burst": 5}, "a rule of its own"),
        ({"concurrency": 3, "burst": 5}, "a rule of its own"),
        ({"requests": "1/min", "burst": "$2"}, "counts what its rate does"),
        ({"dollars": "$1/min", "burst": 20}, "counts what its rate does"),
        ({"dollars": "$1/min", "burst": "$0.0000001"}, "at least 1"),
        ({"dollars": "1/min"}, r"\$5/min"),
        ({"dollars": "$0.0000001/min"}, "exactly"),
        ({"concurrency": 0}, "from 1 to 1000000"),
        ({"requests": "1/min", "burst": 0}, "at least 1"),
        ({"tokens": "2000G/min"}, "at most"),
        ({"requests": "often"}, "600/min"),
        ({"requests": "1/min", "per": "planet"}, "tenant"),
    ],
)
def test_options_that_make_no_sense_are_errors(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rule(**keys)


def test_the_id_says_what_it_is() -> None:
    assert rule(requests="1/min", per=["user", "model"]).options.default_id() == (
        "rate_limit-user-model"
    )


async def test_the_headers_of_a_call_that_a_local_share_decided_are_the_shares() -> None:
    gate = Gate(rule(requests="60/min"))
    exchange, _, _ = await gate.ask()
    limit = gate.limit.limit_of(exchange.claims[0], Level(4, 0, 6), NOW)
    assert (limit.limit, limit.remaining) == (6, 2)
