"""The order of stages, what stops a call, what is reserved and given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.dialects.base import Surface, Unscannable
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange
from gateway.message import Headers, Request
from gateway.policy.kinds import KINDS
from gateway.policy.pipeline import Pipeline
from gateway.policy.rule import Rule, Stage
from gateway.testing import PlainCall, make_call, make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict
from tests.policy.claiming import Asked, Claiming, Counting, asked
from tests.policy.fakes import DictCache, FakeRule, PlainStream, Words, event, text

NOW = 1_700_000_000.0


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
