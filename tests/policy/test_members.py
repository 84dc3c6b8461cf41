"""Batches: rules see every request, and what they claim and say does not grow with the batch."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gateway.dialects.base import Usage
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange, Target
from gateway.message import Headers, Request
from gateway.policy import limits
from gateway.state.memory import MemoryStore
from gateway.state.store import NANO
from gateway.testing import make_exchange
from gateway.verdict import Action, Reason, Verdict
from tests.policy.test_cases import compiled

NOW = 1_700_000_000.0
PATH = "/v1/messages/batches"


def params(text: str = "Hello", model: str = "claude-sonnet-4-5", **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"model": model, "max_tokens": 100, "messages": [message], **more}


def batch(*requests: dict[str, Any]) -> Exchange:
    body = orjson.dumps(
        {"requests": [{"custom_id": str(n), "params": each} for n, each in enumerate(requests)]}
    )
    call = DIALECTS["anthropic_batches"].decode(Request("POST", PATH, Headers()), body)
    exchange = make_exchange(call, now=NOW)
    exchange.target = Target("up", "anthropic", "anthropic_batches", PATH)
    return exchange


def ask(rules: list[dict[str, Any]], exchange: Exchange) -> Verdict | None:
    store = MemoryStore(lambda: NOW)
    return asyncio.run(compiled(rules).on_request(exchange, store))


def claimed(rules: list[dict[str, Any]], *requests: dict[str, Any]) -> list[int]:
    exchange = batch(*requests)
    assert ask(rules, exchange) is None
    return [claim.amount for claim in exchange.claims]


BUDGET = {"kind": "budget", "per": "tenant", "limit": "1M tokens", "window": "day"}
DOLLARS = {"kind": "budget", "per": "tenant", "limit": "$100", "window": "day"}
REQUESTS = {"kind": "rate_limit", "per": "tenant", "requests": "100/min"}


def test_one_request_that_a_rule_refuses_refuses_the_batch_and_says_which() -> None:
    exchange = batch(params(), params(model="claude-opus-4-1"))
    stopped = ask([{"kind": "model", "allow": ["claude-sonnet-*"]}], exchange)
    assert stopped is not None
    assert stopped.reason is Reason.MODEL_DENIED
    assert stopped.place == "requests[1].params"
    assert stopped in exchange.verdicts


def test_what_a_rule_writes_into_a_request_it_writes_into_that_one() -> None:
    exchange = batch(params(), params(max_tokens=50))
    assert ask([{"kind": "model", "max_output": 60}], exchange) is None
    assert exchange.call is not None
    sent = orjson.loads(exchange.call.encode())["requests"]
    assert [each["params"]["max_tokens"] for each in sent] == [60, 50]


def test_forbidden_tools_are_taken_out_of_each_request_and_are_not_read_any_more() -> None:
    tool = {"name": "shell", "description": "a sword", "input_schema": {"type": "object"}}
    exchange = batch(params(), params(tools=[tool]))
    rules = [
        {"kind": "tools", "deny": ["shell"]},
        {"kind": "patterns", "deny": ["sword"], "surfaces": ["tool_definition"], "action": "block"},
    ]
    assert ask(rules, exchange) is None
    assert exchange.call is not None
    assert b"shell" not in exchange.call.encode()


def test_content_of_any_request_is_read_with_its_place() -> None:
    exchange = batch(params(), params("a sword"))
    rule = {"kind": "patterns", "deny": ["sword"], "surfaces": ["user"], "action": "block"}
    stopped = ask([rule], exchange)
    assert stopped is not None
    assert stopped.place == "requests[1].params.messages[0].content"


def test_what_all_requests_may_use_is_reserved_as_one_claim() -> None:
    for rule in (BUDGET, DOLLARS):
        (one,) = claimed([rule], params())
        (three,) = claimed([rule], params(), params(), params())
        assert three == 3 * one


def test_a_batch_is_reserved_at_the_price_of_batches() -> None:
    exchange = batch(params())
    assert exchange.call is not None
    ask([DOLLARS], exchange)
    member = exchange.call.members[0]
    (half,) = (claim.amount for claim in exchange.claims)
    member.batched = False
    (rule,) = exchange.claim_rules
    exchange.call = member
    exchange.memo.clear()
    (whole,) = rule.claims(exchange)
    assert abs(whole.amount - 2 * half) <= 2  # each is rounded up


def test_a_batch_that_does_not_fit_is_refused_and_nothing_stays_reserved() -> None:
    exchange = batch(*[params()] * 5)
    tight = {**BUDGET, "limit": "300 tokens"}
    stopped = ask([tight], exchange)
    assert stopped is not None
    assert stopped.reason is Reason.BUDGET_EXCEEDED
    assert not exchange.admission or not exchange.admission.lease


def test_each_request_of_a_batch_counts_as_a_request() -> None:
    assert claimed([REQUESTS], *[params()] * 7) == [7]


def test_a_batch_is_one_running_call_and_has_one_place() -> None:
    rule = {"kind": "rate_limit", "per": "tenant", "concurrency": 2}
    assert claimed([rule], *[params()] * 7) == [1]


def test_a_request_for_the_cheaper_model_opens_what_is_kept_back_to_no_other() -> None:
    cheap, dear = params(model="claude-haiku-4-5"), params()
    rule = {**DOLLARS, "on_exhausted": "downgrade", "downgrade_to": "claude-haiku-4-5"}
    for requests in ([cheap, dear], [dear, cheap]):
        exchange = batch(*requests)
        assert ask([{**rule, "keep_back": "50%"}], exchange) is None
        assert [claim.limit for claim in exchange.claims] == [50 * NANO]


def test_an_upload_is_one_request_however_many_it_holds() -> None:
    line = {"custom_id": "1", "url": "/v1/chat/completions"}
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
    content = orjson.dumps({**line, "body": asked}) + b"\n"
    head = b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    body = b"--b\r\n" + head + content * 3 + b"\r\n--b--\r\n"
    headers = Headers([("content-type", "multipart/form-data; boundary=b")])
    call = DIALECTS["openai_files"].decode(Request("POST", "/v1/files", headers), body)
    exchange = make_exchange(call, now=NOW)
    assert ask([REQUESTS, BUDGET], exchange) is None
    assert len(call.members) == 3
    assert [claim.amount for claim in exchange.claims] == [1]


def test_a_batch_has_one_verdict_a_rule_action_and_reason() -> None:
    exchange = batch(*[params(max_tokens=500)] * 40)
    assert ask([{"kind": "model", "max_output": 60}], exchange) is None
    assert [verdict.reason for verdict in exchange.verdicts] == [Reason.OUTPUT_CAPPED]


def test_a_condition_on_the_model_holds_for_the_requests_that_name_it() -> None:
    when = {"model": ["claude-haiku-*"]}
    exchange = batch(params(), params(model="claude-haiku-4-5"))
    assert ask([{"kind": "model", "max_output": 60, "when": when}], exchange) is None
    assert exchange.call is not None
    assert [member.max_output for member in exchange.call.members] == [100, 60]


def test_a_condition_on_the_model_does_not_hide_the_content_of_a_mixed_batch() -> None:
    rule = {
        "kind": "patterns",
        "deny": ["sword"],
        "surfaces": ["user"],
        "action": "block",
        "when": {"model": ["claude-haiku-*"]},
    }
    assert ask([rule], batch(params(), params("a sword", "claude-haiku-4-5"))) is not None


def test_a_warning_of_many_requests_is_one_header() -> None:
    use = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "no"}
    turn = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    one = params(messages=[{"role": "user", "content": "Go"}, *turn * 4])
    exchange = batch(one, one)
    assert ask([{"kind": "loop", "repeats": 5}], exchange) is None
    (warning,) = exchange.notices.values()
    assert warning.count("repeats itself") == 1


@pytest.mark.parametrize("usage_known", [False, True])
def test_a_batch_is_charged_what_it_reserved_until_it_tells(usage_known: bool) -> None:
    store = MemoryStore(lambda: NOW)
    pipeline = compiled([BUDGET])

    exchange = batch(params())

    async def play() -> None:
        assert await pipeline.on_request(exchange, store) is None
        exchange.sent = True
        usage = Usage(input=1, output=1, estimated=not usage_known)
        await limits.settle(exchange, store, usage, None)

    asyncio.run(play())
    (claim,) = exchange.claims
    assert exchange.settled_amounts == ((2,) if usage_known else (claim.amount,))
    assert claim.amount > 100


def test_a_rule_that_only_watches_stops_nothing() -> None:
    exchange = batch(params(model="claude-opus-4-1"))
    rule = {"kind": "model", "allow": ["claude-sonnet-*"], "mode": "shadow"}
    assert ask([rule], exchange) is None
    assert exchange.action is Action.ALLOW
    assert len(exchange.verdicts) == 1
