"""Embeddings as a dialect: text in, vectors out. Never streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit, Surface
from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.openai_chat_stream import ChatStream
from gateway.dialects.openai_errors import chat_usage, error_object, error_type, limit_headers
from gateway.dialects.paths import model_of
from gateway.dialects.reading import Reader, string
from gateway.dialects.token_estimate import likely_in
from gateway.message import Headers, Request

PER_REQUEST = 16
"""Tokens allowed beside the bytes of the body, whose JSON is longer than any framing."""

_FORMAT_FIELDS = frozenset(
    "dimensions encoding_format input input_type model stream task truncate".split()
)


class OpenAIEmbeddings:
    """`/v1/embeddings`."""

    name = "openai_embeddings"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no JSON object that can be read one way."""
        return EmbeddingsCall(parse_object(body), request.path)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body has neither `data` nor `error`."""
        return EmbeddingsAnswer(parse_answer(body))

    def open_stream(self, call: Call) -> AnswerStream:
        """The API streams no embeddings; what calls itself a stream is read as chat's."""
        return ChatStream()

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class EmbeddingsCall(JsonCall):
    """`input` is a text or a list of texts; tokens instead of text cannot be read."""

    dialect = "openai_embeddings"
    operation = "embeddings"

    def __init__(self, document: JsonDocument, path: str = "") -> None:
        super().__init__(document)
        self._path_model = model_of(path)
        self.max_output = 0
        self._read_fields()
        reader = Reader(document)
        self._read_input(reader)
        for key, value in self._root.items():
            if key in _FORMAT_FIELDS:
                continue
            if type(value) is str:
                reader.text(self._root, key, Surface.USER, key)
            else:
                reader.json(value, Surface.USER, key)
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self._unbounded = reader.unbounded

    def _read_fields(self) -> None:
        self.model = self._path_model or string(self._root.get("model"))
        self.user_id = string(self._root.get("user"))

    def _read_input(self, reader: Reader) -> None:
        given = self._root.get("input")
        if type(given) is str:
            reader.text(self._root, "input", Surface.USER, "input")
        elif type(given) is list:
            tokens = False
            for number, item in enumerate(given):
                place = f"input[{number}]"
                if type(item) is str:
                    reader.text(given, number, Surface.USER, place)
                elif type(item) is dict:
                    reader.opaque("file", Surface.USER, place)
                    reader.json(item, Surface.USER, place)
                else:
                    tokens = True
            if tokens:
                reader.opaque("tokens", Surface.USER, "input")
        elif given is not None:
            reader.unknown(self._root, "input", Surface.USER, "input")

    def set_max_output(self, tokens: int) -> None:
        """Embeddings have no output tokens to cap."""

    def input_bound(self) -> int:
        """All bytes of the body: a token is at least one byte of text, or one number."""
        return -1 if self._unbounded else self._body_size() + PER_REQUEST

    def input_estimate(self) -> int:
        """A quarter of the text's bytes; tokens are counted."""
        given = self._root.get("input")
        tokens = 0
        for item in given if type(given) is list else ():
            tokens += len(item) if type(item) is list else type(item) is int
        return likely_in(self.segments) + tokens


class EmbeddingsAnswer(Answer):
    """Vectors and usage; there is no text in it."""

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        if type(root.get("data")) is not list and "error" not in root:
            raise ValueError("no data")
        self.model = string(root.get("model"))
        self.id = string(root.get("id"))
        self.usage = chat_usage(root.get("usage"))

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Embeddings call no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Embeddings call no tools."""
