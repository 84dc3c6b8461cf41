"""The OpenAI Responses API as a dialect. The `responses_*` files hold its parts."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit
from gateway.dialects.jsondoc import parse_answer, parse_object
from gateway.dialects.openai_errors import error_object, error_type, limit_headers
from gateway.dialects.paths import plain_path
from gateway.dialects.responses_answer import ResponsesAnswer, TokenCount
from gateway.dialects.responses_request import ResponsesCall
from gateway.dialects.responses_stream import ResponsesStream
from gateway.message import Headers, Request

ENCRYPTED = "reasoning.encrypted_content"


class OpenAIResponses:
    """`/v1/responses`, `/v1/responses/compact` and `/v1/responses/input_tokens`."""

    name = "openai_responses"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        end = plain_path(request.path).rpartition("/")[2]
        operation = "count_tokens" if end == "input_tokens" else "chat"
        return ResponsesCall(parse_object(body), operation, capped=end == "responses")

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is not a response."""
        document = parse_answer(body)
        if call.operation == "count_tokens":
            return TokenCount(document)
        return ResponsesAnswer(document)

    def open_stream(self, call: Call) -> AnswerStream:
        include = call.get_field("include")
        return ResponsesStream(
            sealed=type(include) is list and ENCRYPTED in include,
            resumable=call.get_field("background") is True,
        )

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)
