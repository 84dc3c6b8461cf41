"""What OpenAI keeps and gives back: responses, conversations, stored chat completions.

An answer that was made earlier is still an answer: rules read it as they would have then. What was
sent earlier is history: it is read on the surfaces that it had, and rewritten where a rule would
block, for it was let through once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from gateway.dialects.base import (
    Answer,
    AnswerStream,
    Call,
    DeclaredTool,
    RateLimit,
    Surface,
    Unscannable,
)
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.openai_errors import error_object, error_type, limit_headers
from gateway.dialects.plain_object import PlainObject
from gateway.dialects.responses_items import ItemReader
from gateway.dialects.responses_stream import ResponsesStream
from gateway.dialects.responses_tools import ToolList
from gateway.dialects.stored_answer import StoredAnswer
from gateway.dialects.token_estimate import likely_in
from gateway.message import Headers, Request

_KEPT = re.compile(r"/(responses|conversations)/([^/]+)")
_SEALED = "reasoning.encrypted_content"


class OpenAIStored:
    """`/v1/responses/{id}` and below, `/v1/conversations`, `/v1/chat/completions/{id}`."""

    name = "openai_stored"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where a body is no JSON object that can be read one way."""
        return StoredCall(request, body)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is no JSON object."""
        if not body:  # accepted, or not there yet
            return PlainObject(JsonDocument({}, b""))
        answer = StoredAnswer(parse_answer(body))
        if answer.declared is not None:
            _learn(call, answer.declared)
        return answer

    def open_stream(self, call: Call) -> AnswerStream:
        sealed = isinstance(call, StoredCall) and call.sealed
        return ResponsesStream(sealed=sealed, learn=functools.partial(_learn, call), resumable=True)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return error_object(error_type(status), code, message)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return limit_headers(limits)


class StoredCall(Call):
    """Asks for what is kept, or adds to it: `items` of a conversation, `metadata`.

    `sealed`: encrypted reasoning is asked for beside the readable one.
    """

    dialect = "openai_stored"
    operation = "retrieve"
    billable = False
    knows_tools = False
    names_model = False
    continuable = True
    answer_surfaces = frozenset(Surface)

    def __init__(self, request: Request, body: bytes) -> None:
        reads = request.method.upper() in ("GET", "HEAD")
        document = parse_object(body if body and not reads else b"{}")
        document.raw = body
        super().__init__(document)
        self._document = document
        self._root: dict[str, Any] = document.root
        if kept := _KEPT.search(request.path):  # ids tell upper from lower case
            self.previous_id = kept[2]
        query = parse_qsl(request.target.partition("?")[2])
        self.stream = ("stream", "true") in query
        self.sealed = any(name.startswith("include") and value == _SEALED for name, value in query)
        reader = ItemReader(document)
        items = self._root.get("items")
        for number in range(len(items)) if type(items) is list else ():
            reader.item(items, number, Surface.ASSISTANT, f"items[{number}]")
        for name in self._root.keys() - ({"items"} if type(items) is list else set()):
            if type(self._root[name]) is str:
                reader.text(self._root, name, Surface.USER, name)
            else:
                reader.json(self._root[name], Surface.USER, name)
        self._tools = ToolList({}, reader)
        self.tools = self._tools.declared
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        if body and reads:
            self.unscannable.append(Unscannable("body", Surface.USER, "body"))

    def encode(self) -> bytes:
        return self._document.encode()

    def set_max_output(self, tokens: int) -> None:
        """Nothing is put out anew."""

    def force_field(self, path: str, value: Any) -> None:
        """What is forced into requests for an answer has no place here."""

    def get_field(self, path: str) -> Any:
        return self._root.get(path)

    def remove_tools(self, names: frozenset[str]) -> None:
        gone = self._tools.remove(names)
        if gone:
            self.tools = self._tools.declared
            self.segments = [s for s in self.segments if not s.place.startswith(gone)]
            self._document.touch()

    def input_bound(self) -> int:
        return len(self._document.raw)

    def input_estimate(self) -> int:
        return likely_in(self.segments)


def _learn(call: Call, declared: list[DeclaredTool]) -> None:
    """A stored response repeats the tools that its request declared."""
    call.tools = declared
    call.knows_tools = True
