"""Refusals as SDKs understand them: status, headers, body of the dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.registry import DIALECTS
from gateway.errors import CallerError, OwnError, UpstreamError
from gateway.message import Headers, Reply, Request
from gateway.policy.kinds.rate_limit import RateLimitOptions, RateLimitRule
from gateway.proxy import reply as replies
from gateway.state.store import Admission, Level
from gateway.testing import make_exchange, make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

CHAT, MESSAGES = DIALECTS["openai_chat"], DIALECTS["anthropic_messages"]
RULE = RuleRef("base", "secrets", "secrets")


def verdict(action: Action = Action.BLOCK, reason: Reason = Reason.SECRET_FOUND, **keys: Any):  # type: ignore[no-untyped-def]
    return Verdict(action, reason, RULE, "found an AWS access key", **keys)


def body_of(reply: Reply) -> Any:
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def test_a_block_is_a_400_that_nobody_retries() -> None:
    exchange = make_exchange()
    reply = replies.for_verdict(exchange, verdict(), CHAT)
    assert reply.status == 400
    headers = reply.headers
    assert headers.get("x-should-retry") == "false"
    assert headers.get("x-portcullis-verdict") == "block"
    assert headers.get("x-portcullis-reason") == "secret_found"
    assert headers.get("x-portcullis-rule") == "base/secrets"
    assert headers.get("content-type") == "application/json"
    for name in ("x-request-id", "request-id", "x-portcullis-id"):
        assert headers.get(name) == exchange.id
    assert exchange.reason is Reason.SECRET_FOUND


def test_the_body_is_the_dialects_error_with_the_reason_as_its_code() -> None:
    chat = body_of(replies.for_verdict(make_exchange(), verdict(), CHAT))
    assert chat["error"]["code"] == "secret_found"
    assert "rule base/secrets found an AWS access key" in chat["error"]["message"]
    anthropic = body_of(replies.for_verdict(make_exchange(), verdict(), MESSAGES))
    assert anthropic["type"] == "error"
    assert "Nothing was sent to the provider." in anthropic["error"]["message"]


@pytest.mark.parametrize(
    ("wait", "header", "final"),
    [(None, "1", False), (0.2, "1", False), (1.2, "2", False), (60, "60", False), (61, "61", True)],
)
def test_a_wait_is_a_429_with_whole_seconds(wait: float | None, header: str, final: bool) -> None:
    slow = verdict(Action.THROTTLE, Reason.RATE_LIMITED, retry_after=wait)
    reply = replies.for_verdict(make_exchange(), slow, CHAT)
    assert reply.status == 429
    assert reply.headers.get("retry-after") == header
    assert ("x-should-retry" in reply.headers) == final


@pytest.mark.parametrize(("wait", "kind"), [(60, "rate_limit_error"), (61, "usage_limit_reached")])
def test_a_dialect_may_tell_of_a_long_wait_in_its_own_way(wait: float, kind: str) -> None:
    responses = DIALECTS["openai_responses"]
    request = Request("POST", "/v1/responses", Headers())
    exchange = make_exchange(responses.decode(request, b'{"model": "m", "input": "Hi"}'))
    slow = verdict(Action.THROTTLE, Reason.RATE_LIMITED, retry_after=wait)
    reply = replies.for_verdict(exchange, slow, responses)
    error = body_of(reply)["error"]
    assert (reply.status, error["type"], error["code"]) == (429, kind, "rate_limited")
    assert reply.headers.get("retry-after") == str(wait)
    assert (error.get("resets_at") == exchange.now + wait) == (wait > 60)
    assert (exchange.id in reply.headers.get("x-codex-promo-message")) == (wait > 60)


@pytest.mark.parametrize("reason", [Reason.RULE_FAILED, Reason.STORE_UNAVAILABLE])
def test_our_own_failure_is_a_503_that_is_not_retried(reason: Reason) -> None:
    reply = replies.for_verdict(make_exchange(), verdict(reason=reason), CHAT)
    assert reply.status == 503
    assert reply.headers.get("x-should-retry") == "false"


def test_an_answer_that_was_stopped_carries_the_guards_message() -> None:
    reply = replies.for_answer(make_exchange(), verdict(), CHAT, "the message")
    assert body_of(reply)["error"]["message"] == "the message"
    assert reply.status == 400


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (CallerError(Reason.BODY_MALFORMED, "It is no JSON."), 400, False),
        (CallerError(Reason.BODY_TOO_LARGE, "Too large.", status=413), 413, False),
        (UpstreamError(Reason.UPSTREAM_TIMEOUT, "Too slow."), 502, True),
        (OwnError(Reason.INTERNAL_ERROR, "Our fault."), 503, False),
    ],
)
def test_errors_keep_their_status_and_say_whether_to_retry(
    error: Any, status: int, retry: bool
) -> None:
    exchange = make_exchange()
    reply = replies.for_error(exchange, error, CHAT)
    assert reply.status == status
    assert ("x-should-retry" not in reply.headers) == retry
    said = body_of(reply)["error"]
    assert said["code"] == error.reason.value
    assert said["message"] == f"{error.message} Reference {exchange.id}."
    assert exchange.reason is error.reason


def test_an_answer_that_passes_is_marked_with_what_was_done() -> None:
    exchange = make_exchange()
    marked = replies.mark(exchange, Headers([("x-request-id", "theirs")]))
    assert marked.get("x-request-id") == "theirs"
    assert marked.get("x-portcullis-verdict") == "allow"
    assert "x-portcullis-reason" not in marked
    exchange.decide(verdict(Action.REWRITE))
    exchange.decide(verdict(Action.BLOCK, of_call=True))
    exchange.notices["x-portcullis-warning"] = "loop"
    marked = replies.mark(exchange, Headers())
    assert marked.get("x-portcullis-verdict") == "block"
    assert marked.get("x-portcullis-reason") == "secret_found"
    assert marked.get("x-portcullis-warning") == "loop"


def test_a_shadow_verdict_does_not_show() -> None:
    exchange = make_exchange()
    exchange.decide(verdict(shadow=True))
    assert replies.mark(exchange, Headers()).get("x-portcullis-verdict") == "allow"


def with_buckets(**rates: int) -> Any:
    """An exchange admitted by buckets of so many units a minute, of which one is taken."""
    exchange = make_exchange()
    for unit, amount in rates.items():
        options = RateLimitOptions.model_validate(
            {"kind": "rate_limit", "per": "tenant", unit: f"{amount}/min"}
        )
        rule = RateLimitRule(options, RULE, Mode.ENFORCE, make_workshop())
        claims = rule.claims(exchange)
        exchange.claims += claims
        exchange.claim_rules += [rule] * len(claims)
    levels = tuple(Level(1, 0, claim.limit) for claim in exchange.claims)
    exchange.admission = Admission("lease", levels, 1)
    return exchange


def test_every_answer_tells_how_the_buckets_stand() -> None:
    exchange = with_buckets(requests=60, tokens=1000)
    exchange.dialect = CHAT
    headers = replies.mark(exchange, Headers())
    assert headers.get("x-ratelimit-limit-requests") == "60"
    assert headers.get("x-ratelimit-remaining-requests") == "59"
    assert headers.get("x-ratelimit-reset-requests") == "1s"
    assert headers.get("x-ratelimit-remaining-tokens") == "999"


def test_a_refusal_tells_how_the_buckets_stand_too() -> None:
    reply = replies.for_verdict(with_buckets(requests=60), verdict(), CHAT)
    assert reply.headers.get("x-ratelimit-remaining-requests") == "59"


def test_of_several_buckets_the_tightest_is_told() -> None:
    exchange = with_buckets(requests=60)
    exchange.claims += with_buckets(requests=7).claims
    exchange.claim_rules += with_buckets(requests=7).claim_rules
    exchange.admission = Admission("lease", (Level(1, 0, 60), Level(1, 0, 7)), 1)
    exchange.dialect = CHAT
    headers = replies.mark(exchange, Headers())
    assert headers.get("x-ratelimit-limit-requests") == "7"
    assert [n for n, _ in headers.items].count("x-ratelimit-limit-requests") == 1


@pytest.mark.parametrize(("theirs", "told"), [("3", "3"), ("58", "58"), ("5000", "59")])
def test_upstreams_own_figures_stay_where_they_leave_less(theirs: str, told: str) -> None:
    exchange = with_buckets(requests=60)
    exchange.dialect = CHAT
    sent = [
        ("X-RateLimit-Limit-Requests", "10000"),
        ("X-RateLimit-Remaining-Requests", theirs),
        ("x-ratelimit-remaining-tokens", "77"),
    ]
    headers = replies.mark(exchange, Headers(sent))
    assert headers.get("x-ratelimit-remaining-requests") == told
    assert headers.get("x-ratelimit-limit-requests") == ("60" if told == "59" else "10000")
    assert headers.get("x-ratelimit-remaining-tokens") == "77"


def test_anthropic_tells_of_tokens_in_and_out_and_openai_of_what_its_sdk_knows() -> None:
    exchange = with_buckets(input_tokens=100, output_tokens=200)
    exchange.dialect = MESSAGES
    headers = replies.mark(exchange, Headers())
    assert headers.get("anthropic-ratelimit-input-tokens-remaining") == "99"
    assert headers.get("anthropic-ratelimit-output-tokens-remaining") == "199"
    assert headers.get("anthropic-ratelimit-input-tokens-reset").endswith("Z")
    exchange.dialect = CHAT
    names = [name for name, _ in replies.mark(exchange, Headers()).items]
    assert not [name for name in names if "ratelimit" in name]
