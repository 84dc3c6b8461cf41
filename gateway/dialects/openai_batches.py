"""The start of a batch of OpenAI's: it names a file whose requests were read as it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit, Surface, Unscannable
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.plain_object import PlainObject
from gateway.dialects.reading import Reader
from gateway.dialects.token_estimate import likely_in
from gateway.message import Headers, Request

_CHAT = OpenAIChat()
_FIXED = frozenset({"input_file_id", "endpoint", "completion_window"})


class OpenAIBatches:
    """`POST /v1/batches`. What a batch brings is a file: see `dialects/files.py`."""

    name = "openai_batches"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        return BatchStart(parse_object(body))

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """A batch object: ids, counts and metadata. Raises ValueError where it is none."""
        return PlainObject(parse_answer(body))

    def open_stream(self, call: Call) -> AnswerStream:
        """Batches are not streamed; what calls itself a stream is read as chat's."""
        return _CHAT.open_stream(call)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return _CHAT.error_body(status, code, message, request_id)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return _CHAT.limit_headers(limits)


class BatchStart(NoModelCall):
    """What it will use is not known: the file that it names is with the provider.

    The file is named as unscannable, and as old: it was let through when it came, line by line.
    """

    dialect = "openai_batches"
    operation = "batch_file"
    billable = False
    names_model = False
    answer_surfaces = frozenset({Surface.USER})

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        reader = Reader(document)
        for name, value in root.items():
            if type(value) is str:
                if name not in _FIXED:
                    reader.text(root, name, Surface.USER, name)
            else:
                reader.json(value, Surface.USER, name)
        self.segments = reader.segments
        self.unscannable = [Unscannable("file", Surface.USER, "input_file_id", fresh=False)]

    def encode(self) -> bytes:
        return self._document.encode()

    def input_bound(self) -> int:
        return -1

    def input_estimate(self) -> int:
        return likely_in(self.segments)
