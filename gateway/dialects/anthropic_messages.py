"""The Anthropic Messages API as a dialect. The other `anthropic_*` files hold its parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from gateway.dialects.anthropic_answer import AnthropicAnswer, TokenCount
from gateway.dialects.anthropic_request import AnthropicCall
from gateway.dialects.anthropic_stream import AnthropicStream
from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit
from gateway.dialects.jsondoc import parse_answer, parse_object
from gateway.dialects.paths import plain_path
from gateway.message import Headers, Request
from gateway.verdict import Reason

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error types by status, as the API's reference lists them ("Errors")."""

_LIMIT_UNITS = frozenset({"requests", "tokens", "input_tokens", "output_tokens"})

BLOCKED = "policy_blocked"
"""The type of what a rule stopped. Claude Code takes it as a gateway's last word: it shows the
message and asks no more. After other 400s it leaves out one beta feature after the other and asks
again, six times in all (measured, 2.1.329)."""

_OTHER_400 = {
    Reason.BUDGET_EXCEEDED.value: "billing_error",  # as final to Claude Code as `BLOCKED`
    **dict.fromkeys(
        (
            Reason.BODY_MALFORMED.value,
            Reason.DUPLICATE_KEY.value,
            Reason.LONE_SURROGATE.value,
            Reason.ENCODING_UNSUPPORTED.value,
        ),
        "invalid_request_error",
    ),
}
"""What no rule stopped for its content, by its code."""


class AnthropicMessages:
    """`/v1/messages` and `/v1/messages/count_tokens`."""

    name = "anthropic_messages"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        counting = plain_path(request.path).endswith("/count_tokens")
        return AnthropicCall(parse_object(body), "count_tokens" if counting else "chat")

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is not a message."""
        document = parse_answer(body)
        if call.operation == "count_tokens":
            return TokenCount(document)
        return AnthropicAnswer(document)

    def open_stream(self, call: Call) -> AnswerStream:
        return AnthropicStream()

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """The API's error object; `code` is ours, and stands where the SDKs show it."""
        if status == 400:
            kind = _OTHER_400.get(code, BLOCKED)
        else:
            kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return orjson.dumps(
            {
                "type": "error",
                "error": {"type": kind, "message": message, "code": code},
                "request_id": request_id,
            }
        )

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        """`anthropic-ratelimit-*`. The reset is a date (RFC 3339), left out without `now`."""
        headers = Headers()
        for limit in limits:
            if limit.unit not in _LIMIT_UNITS:
                continue
            head = f"anthropic-ratelimit-{limit.unit.replace('_', '-')}"
            headers.add(f"{head}-limit", str(limit.limit))
            headers.add(f"{head}-remaining", str(max(limit.remaining, 0)))
            if limit.now is not None:
                at = datetime.fromtimestamp(limit.now + limit.reset, UTC)
                headers.add(f"{head}-reset", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return headers
