"""The order of stages, what stops a call, what is reserved and given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import Surface, Unscannable, Usage
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange
from gateway.message import Headers, Request
from gateway.policy.kinds import KINDS
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Rule, Stage
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Claim, Level, Refusal, StoreError
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict
from tests.policy.fakes import DictCache, FakeRule, PlainStream, Words, event, text

NOW = 1_700_000_000.0


class Counting(MemoryStore):
    """The store in memory, with a count of its admissions."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.admissions: list[list[Claim]] = []
        self.settled: list[tuple[int, ...]] = []

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        self.admissions.append(list(claims))
        return await super().admit(claims)

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
        self.settled.append(tuple(amounts))
        return await super().settle(lease, amounts)


class Down(Counting):
    async def admit(self, claims: Sequence[Claim]) -> Admission:
        raise StoreError("down")

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
        raise StoreError("down")


asked: list[str] = []


class Asked(Rule):
    """Notes that it was asked, and says what it was told to say."""

    kind = "asked"
    Options = RuleOptions

    def __init__(self, name: str, stage: Stage, action: Action | None = None, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        options = RuleOptions.model_validate({"kind": "asked", **keys})
        super().__init__(options, RuleRef("p", name, "asked"), mode, make_workshop())
        self.stage = stage  # type: ignore[misc]
        self.action = action

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        asked.append(self.ref.id)
        if self.action is None:
            return ()
        return (self.verdict(self.action, Reason.SIZE_EXCEEDED, "says so"),)


class Claiming(Asked):
    """Claims `amount` of `limit`."""

    needs_usage = True

    def __init__(self, name: str, amount: int = 1, limit: int = 10, **keys: Any) -> None:
        super().__init__(name, Stage.LIMITS, **keys)
        self.amount, self.limit = amount, limit
        self.raises = ""

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        self._maybe("claims")
        return (Claim(f"k:{self.ref.id}", self.amount, self.limit, shadow=self.shadow),)

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        self._maybe("on_refusal")
        return self.verdict(Action.THROTTLE, Reason.BUDGET_RESERVED, "has no room", retry_after=1)

    def on_admitted(self, exchange: Exchange, claim: Claim, level: Level) -> Sequence[Verdict]:
        self._maybe("on_admitted")
        return (self.verdict(Action.FLAG, Reason.BUDGET_WARNING, f"stands at {level.reserved}"),)

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        self._maybe("actual")
        return usage.output

    def _maybe(self, where: str) -> None:
        if self.raises == where:
            raise RuntimeError(where)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    asked.clear()


@pytest.fixture
def store() -> Counting:
    return Counting()


def make(*rules: Rule) -> Pipeline:
    return Pipeline(rules, DictCache())


def said(exchange: Exchange) -> list[tuple[str, str]]:
    return [(v.rule.id, v.reason.value) for v in exchange.verdicts]


def bad(action: Action, **keys: Any) -> FakeRule:
    return FakeRule(Words("bad"), action, "content", **keys)


# --- order ----------------------------------------------------------------------------------


async def test_stages_run_in_their_order_and_rules_of_a_stage_in_that_of_the_file(
    store: Counting,
) -> None:
    names = [("tools", Stage.TOOLS), ("size", Stage.SIZE), ("model", Stage.MODEL)]
    rules = [Asked(name, stage) for name, stage in names]
    await make(Claiming("b"), *rules, Claiming("a")).on_request(make_exchange(), store)
    assert asked == ["model", "size", "b", "a", "tools"]


async def test_the_first_stop_ends_the_run(store: Counting) -> None:
    exchange = make_exchange()
    pipeline = make(
        Asked("first", Stage.MODEL, Action.FLAG),
        Asked("stops", Stage.SIZE, Action.BLOCK),
        Claiming("later"),
    )
    stopped = await pipeline.on_request(exchange, store)
    assert stopped is not None
    assert stopped.rule.id == "stops"
    assert asked == ["first", "stops"]
    assert store.admissions == []
    assert exchange.stopped is stopped


async def test_a_shadow_rule_says_what_it_would_do_and_the_run_goes_on(store: Counting) -> None:
    exchange = make_exchange()
    pipeline = make(
        Asked("shadow", Stage.MODEL, Action.BLOCK, mode=Mode.SHADOW), Asked("next", Stage.SIZE)
    )
    assert await pipeline.on_request(exchange, store) is None
    assert asked == ["shadow", "next"]
    assert exchange.action is Action.ALLOW
    assert said(exchange) == [("shadow", "size_exceeded")]


async def test_no_rule_no_work(store: Counting) -> None:
    assert await make().on_request(make_exchange(), store) is None
    assert store.admissions == []


async def test_a_rule_that_raises_follows_its_on_error(store: Counting) -> None:
    class Raising(Asked):
        def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
            raise KeyError("secret content")

    exchange = make_exchange()
    stopped = await make(Raising("r", Stage.MODEL)).on_request(exchange, store)
    assert stopped is not None
    assert stopped.reason is Reason.RULE_FAILED
    assert "secret content" not in stopped.what
    passing = make(Raising("r", Stage.MODEL, on_error="allow"), Asked("next", Stage.SIZE))
    assert await passing.on_request(make_exchange(), store) is None
    assert asked == ["next"]


# --- when -----------------------------------------------------------------------------------


def only(agent: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.identity.agent == agent


async def test_when_says_which_calls_a_rule_watches(store: Counting) -> None:
    rules = [Asked("all", Stage.MODEL), Asked("one", Stage.MODEL), bad(Action.BLOCK)]
    rules[1].when, rules[2].when = only("one"), only("two")
    pipeline = make(*rules)
    call = make_call([("user", "bad")])
    assert await pipeline.on_request(make_exchange(call, agent="one"), store) is None
    assert asked == ["all", "one"]
    asked.clear()
    assert await pipeline.on_request(make_exchange(call, agent="two"), store) is not None
    assert asked == ["all"]
    assert pipeline.guard(make_exchange(call, agent="one")).rules.idle
    assert not pipeline.guard(make_exchange(call, agent="two")).rules.idle


async def test_plans_are_bounded_whatever_callers_send(store: Counting) -> None:
    rules = []
    for number in range(12):
        rule = Asked(f"r{number}", Stage.MODEL)
        rule.when = lambda exchange, bit=number: bool(int(exchange.identity.agent) >> bit & 1)
        rules.append(rule)
    pipeline = make(*rules)
    for number in range(600):
        asked.clear()
        await pipeline.on_request(make_exchange(agent=str(number)), store)
        assert asked == [f"r{bit}" for bit in range(12) if number >> bit & 1]
        assert len(pipeline._plans) <= 256


# --- limits ---------------------------------------------------------------------------------


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
    await pipeline.settle(exchange, store, Usage(output=3), None)
    await pipeline.settle(exchange, store, Usage(output=9), None)
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


@pytest.mark.parametrize("where", ["claims", "on_admitted"])
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
    await pipeline.settle(exchange, store, Usage(output=1), None)
    assert store.settled == [(5,)]
    assert exchange.verdicts[-1].reason is Reason.RULE_FAILED
    assert exchange.stopped is None


# --- usage ----------------------------------------------------------------------------------


class Streaming(PlainCall):
    asked_usage = False

    def ask_usage(self) -> None:
        self.asked_usage = True


@pytest.mark.parametrize(
    ("mode", "stream", "asks"),
    [
        (Mode.ENFORCE, True, True),
        (Mode.ENFORCE, False, False),
        (Mode.SHADOW, True, False),
    ],
)
async def test_usage_is_asked_for_where_an_enforced_limit_needs_it(
    store: Counting, mode: Mode, stream: bool, asks: bool
) -> None:
    call = Streaming(make_call().document)
    call.stream = stream
    await make(Claiming("a", mode=mode)).on_request(make_exchange(call), store)
    assert call.asked_usage is asks


# --- content --------------------------------------------------------------------------------


async def test_content_is_rewritten_in_the_call(store: Counting) -> None:
    call = make_call([("user", "so bad")])
    assert await make(bad(Action.REWRITE)).on_request(make_exchange(call), store) is None
    assert call.segments[0].text == "so [content:BAD]"
    assert call.document.changed


async def test_resent_history_never_stops_a_call(store: Counting) -> None:
    call = make_call([("user", "bad"), ("user", "new")], stale=1)
    exchange = make_exchange(call)
    assert await make(bad(Action.BLOCK)).on_request(exchange, store) is None
    assert call.segments[0].text == "[removed by Portcullis: pattern_found]"
    assert exchange.action is Action.REWRITE


async def test_what_cannot_be_read_follows_unscannable(store: Counting) -> None:
    image = Unscannable("image", Surface.USER, "x")
    for setting, stops in (("block", True), ("flag", False), ("allow", False)):
        exchange = make_exchange(make_call(unscannable=[image]))
        rule = bad(Action.FLAG, unscannable=setting)
        assert (await make(rule).on_request(exchange, store) is not None) == stops
        assert bool(exchange.verdicts) == (setting != "allow")


async def test_texts_are_remembered_between_calls(store: Counting) -> None:
    cache = DictCache()
    pipeline = Pipeline([bad(Action.FLAG)], cache)
    await pipeline.on_request(make_exchange(make_call([("user", "bad")])), store)
    (key,) = cache.known
    assert key[0] == "bad"


# --- answers --------------------------------------------------------------------------------


def test_the_window_is_that_of_the_rules_that_watch_the_call() -> None:
    rule = bad(Action.BLOCK)
    rule.when = only("one")
    pipeline = make(rule)
    for agent, stops in (("one", True), ("two", False)):
        window = pipeline.window(make_exchange(agent=agent), PlainStream())
        window.feed(event(text("bad")))
        assert (window.blocked is not None) == stops


# --- endpoints that no dialect reads ----------------------------------------------------------


def opaque(method: str, body: bytes) -> Exchange:
    request = Request(method, "/v1/files", Headers(), body)
    exchange = make_exchange(DIALECTS["opaque"].decode(request, body), body=body)
    exchange.request = request
    return exchange


@pytest.mark.parametrize("kind", ["content", "budget"])
async def test_a_body_on_an_unknown_path_follows_unscannable_of_content_and_budget_rules(
    store: Counting, kind: str
) -> None:
    for setting, stops in (("block", True), ("flag", False), ("allow", False)):
        rule: Rule = bad(Action.FLAG, unscannable=setting, surfaces=["output"])
        if kind == "budget":
            made = KINDS["budget"]
            options = made.Options.model_validate(
                {"kind": "budget", "per": "tenant", "limit": "$5.00", "unscannable": setting}
            )
            rule = made(options, RuleRef("p", "b", "budget"), Mode.ENFORCE, make_workshop())
        exchange = opaque("POST", b"anything")
        stopped = await make(rule).on_request(exchange, store)
        assert (stopped is not None) == stops
        if stops:
            assert stopped is not None
            assert stopped.reason is Reason.UNSCANNABLE_CONTENT


async def test_without_a_body_an_unknown_path_passes(store: Counting) -> None:
    rule = bad(Action.BLOCK, unscannable="block")
    exchange = opaque("GET", b"")
    assert await make(rule).on_request(exchange, store) is None
    assert exchange.verdicts == []
