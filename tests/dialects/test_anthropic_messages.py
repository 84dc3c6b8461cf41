"""The dialect as the stations see it: decoding, errors as the SDK raises them, headers."""

from __future__ import annotations

import anthropic
import httpx2
import orjson
import pytest

from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import RateLimit
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

DIALECT = AnthropicMessages()
BODY = b'{"model": "claude-x", "max_tokens": 5, "messages": []}'


def request(target: str) -> Request:
    return Request("POST", target, Headers())


def test_count_tokens_is_free_and_still_read() -> None:
    call = DIALECT.decode(request("/v1/messages/count_tokens?beta=true"), BODY)
    assert (call.operation, call.billable) == ("count_tokens", False)
    answer = DIALECT.decode_answer(call, b'{"input_tokens": 3}')
    assert answer.encode() == b'{"input_tokens": 3}'
    assert answer.usage is None
    assert DIALECT.decode(request("/v1/messages?beta=true"), BODY).billable


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", Reason.BODY_MALFORMED),
        (b"{", Reason.BODY_MALFORMED),
        (b'{"model": "a", "model": "b"}', Reason.DUPLICATE_KEY),
        (b'{"model": "\\ud800"}', Reason.LONE_SURROGATE),
    ],
)
def test_a_body_that_two_parsers_could_read_differently_is_refused(
    body: bytes, reason: Reason
) -> None:
    with pytest.raises(CallerError) as caught:
        DIALECT.decode(request("/v1/messages"), body)
    assert caught.value.reason is reason


def test_other_bodies_are_no_answers() -> None:
    call = DIALECT.decode(request("/v1/messages"), BODY)
    with pytest.raises(ValueError):
        DIALECT.decode_answer(call, b'{"completion": "hi"}')


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "policy_blocked"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (503, anthropic.InternalServerError, "api_error"),
    ],
)
def test_errors_are_the_sdks_typed_exceptions(
    status: int, error: type[anthropic.APIStatusError], kind: str
) -> None:
    asked: list[int] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        asked.append(1)
        body = DIALECT.error_body(status, "pii_found", "Blocked by rule x.", "req_1")
        return httpx2.Response(status, headers={"x-should-retry": "false"}, content=body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway.test", http_client=http)
    with pytest.raises(error) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[])
    assert len(asked) == 1
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"] == {"type": kind, "message": "Blocked by rule x.", "code": "pii_found"}
    assert body["request_id"] == "req_1"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.SECRET_FOUND, "policy_blocked"),
        (Reason.UNSCANNABLE_CONTENT, "policy_blocked"),
        (Reason.BUDGET_EXCEEDED, "billing_error"),
        (Reason.LONE_SURROGATE, "invalid_request_error"),
        (Reason.BODY_MALFORMED, "invalid_request_error"),
    ],
)
def test_what_a_rule_stopped_has_the_type_that_agents_take_as_final(
    reason: Reason, kind: str
) -> None:
    body = orjson.loads(DIALECT.error_body(400, reason.value, "m", "r"))
    assert (body["error"]["type"], body["error"]["code"]) == (kind, reason.value)


def test_limit_headers_give_the_reset_as_a_date_where_the_time_is_known() -> None:
    limits = [
        RateLimit("requests", 60, -1, 30.0, now=1_700_000_000.0),
        RateLimit("tokens", 9, 4, 1),
    ]
    headers = DIALECT.limit_headers(limits)
    assert headers.items == [
        ("anthropic-ratelimit-requests-limit", "60"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2023-11-14T22:13:50Z"),
        ("anthropic-ratelimit-tokens-limit", "9"),
        ("anthropic-ratelimit-tokens-remaining", "4"),
    ]


def test_the_error_body_of_an_unlisted_status_is_one_of_the_two_general_types() -> None:
    for status, kind in ((418, "invalid_request_error"), (599, "api_error")):
        body = orjson.loads(DIALECT.error_body(status, "c", "m", "r"))
        assert body["error"]["type"] == kind
