"""Ollama's own API as a dialect: chat, generate and embeddings, streamed as lines of JSON.

Shapes and defaults are those of the server (its `api/types.go` and `server/routes.go`): a request
streams unless it says `"stream": false`, and an error is `{"error": "text"}`.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit
from gateway.dialects.jsondoc import parse_answer, parse_object
from gateway.dialects.ollama_answer import OllamaAnswer, OllamaVectors
from gateway.dialects.ollama_request import OllamaCall, OllamaChat, OllamaEmbed, OllamaGenerate
from gateway.dialects.ollama_stream import OllamaStream
from gateway.dialects.openai_errors import limit_headers
from gateway.dialects.paths import plain_path
from gateway.message import Headers, Request

_CALLS: dict[str, type[OllamaCall]] = {
    "chat": OllamaChat,
    "generate": OllamaGenerate,
    "embed": OllamaEmbed,
    "embeddings": OllamaEmbed,
}


class Ollama:
    """`/api/chat`, `/api/generate`, `/api/embed`, `/api/embeddings`."""

    name = "ollama"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        word = plain_path(request.path).rpartition("/")[2]
        return _CALLS.get(word, OllamaChat)(parse_object(body))

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is not what the call's path answers."""
        document = parse_answer(body)
        if call.operation == "embeddings":
            return OllamaVectors(document, call.input_estimate())
        return OllamaAnswer(document, call.input_estimate())

    def open_stream(self, call: Call) -> AnswerStream:
        return OllamaStream(call.input_estimate())

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return orjson.dumps({"error": message, "code": code})

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        """Ollama has none of its own; these are the ones that most servers share."""
        return limit_headers(limits)
