"""The Gemini API as a dialect, at Google's own address and at Vertex AI.

The other `gemini_*` files hold its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from gateway.dialects import gemini_errors
from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit
from gateway.dialects.empty_call import EmptyCall
from gateway.dialects.gemini_answer import GeminiAnswer
from gateway.dialects.gemini_batch import GeminiBatch, GeminiBatchAnswer
from gateway.dialects.gemini_embeddings import EmbedAnswer, EmbedCall
from gateway.dialects.gemini_paths import read_path
from gateway.dialects.gemini_request import GeminiCall
from gateway.dialects.gemini_stream import GeminiStream
from gateway.dialects.jsondoc import parse_answer, parse_object
from gateway.dialects.paths import plain_path
from gateway.message import Headers, Request


class Gemini:
    """`/v1beta/models/{model}:generateContent` and what stands beside it."""

    name = "gemini"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        if request.method.upper() == "GET":
            return EmptyCall(self.name, body, results=True)
        path = read_path(request.path, plain_path(request.path))
        document = parse_object(body)
        if path.operation == "batch":
            return GeminiBatch(document, path)
        if path.operation == "embeddings":
            return EmbedCall(document, path)
        return GeminiCall(document, path, request.target, readable=_is_json(request.target))

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is not what was asked for."""
        document = parse_answer(body)
        if call.operation in ("batch", "retrieve"):
            return GeminiBatchAnswer(document)
        if call.operation == "embeddings":
            return EmbedAnswer(document)
        return GeminiAnswer(document)

    def open_stream(self, call: Call) -> AnswerStream:
        return GeminiStream(call.choices)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return gemini_errors.error_object(status, code, message, request_id)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return gemini_errors.limit_headers(limits)


def _is_json(target: str) -> bool:
    """Whether the query leaves the body what it looks like: `$ct` names another content type
    ("System parameters" in the docs of Google's APIs)."""
    _, mark, query = target.partition("?")
    if not mark or "ct=" not in query:
        return True
    given = [value for name, value in parse_qsl(query) if name in ("$ct", "ct")]
    return all("json" in value.lower() for value in given)
