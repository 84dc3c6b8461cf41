"""Every path of an upstream that no dialect reads: model lists, files, batches, what is new.

Such a request goes through untouched. A body on it is unscannable, so that a rule's
`unscannable` decides; without one there is nothing to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.base import (
    Answer,
    AnswerStream,
    Call,
    Document,
    Event,
    Frame,
    RateLimit,
    Surface,
    Unscannable,
)
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.openai_errors import error_object, error_type, limit_headers
from gateway.dialects.sse import encode
from gateway.message import Headers, Request


class Opaque:
    """Reads nothing. Errors are in OpenAI's shape, which most servers share."""

    name = "opaque"

    def decode(self, request: Request, body: bytes) -> Call:
        return OpaqueCall(body)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        return OpaqueAnswer(Document(None, body))

    def open_stream(self, call: Call) -> AnswerStream:
        return OpaqueStream()

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class OpaqueCall(NoModelCall):
    """A body as bytes. Its tokens cannot be bounded, its output cannot be capped."""

    dialect = "opaque"
    operation = "opaque"

    def __init__(self, body: bytes) -> None:
        super().__init__(Document(None, body))
        self.billable = self.readable_answer = bool(body)
        if body:
            self.unscannable = [Unscannable("body", Surface.USER, "body")]

    def encode(self) -> bytes:
        return self.document.raw

    def input_bound(self) -> int:
        return -1 if self.document.raw else 0


class OpaqueAnswer(Answer):
    """Bytes that pass as they came."""

    def encode(self) -> bytes:
        return self.document.raw

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """None was found that could be taken out."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """None was found that could be changed."""


class OpaqueStream(AnswerStream):
    """Events that pass as they came."""

    def read(self, event: Event) -> Frame:
        return Frame(event)

    def write(self, frame: Frame) -> bytes:
        return frame.event.raw

    def remove_tool(self, lane: str, notice: str) -> None:
        """None was found that could be taken out."""

    def replace_arguments(self, lane: str, arguments: str) -> None:
        """None was found that could be changed."""

    def stop(self, code: str, message: str) -> bytes:
        return encode(error_object("invalid_request_error", code, message))
