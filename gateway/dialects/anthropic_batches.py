"""Anthropic's Message Batches: requests in a list, a batch object, results by line.

The shapes are those of the API's reference ("Message Batches") as the official Python SDK 2.11
types them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.anthropic_answer import AnthropicAnswer
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.anthropic_request import AnthropicCall
from gateway.dialects.anthropic_stream import AnthropicStream
from gateway.dialects.base import Answer, AnswerStream, Call, RateLimit, Surface
from gateway.dialects.batch import AnswerList, BatchCall, PartDocument
from gateway.dialects.empty_call import EmptyCall
from gateway.dialects.jsondoc import JsonDocument, parse_answer, parse_object
from gateway.dialects.jsonlines import Lines
from gateway.dialects.paths import plain_path
from gateway.dialects.reading import Reader, mapping, string
from gateway.dialects.spelling import refuse_keys
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

_ERRORS = AnthropicMessages()


class AnthropicBatches:
    """`/v1/messages/batches`, a batch, and its `/results`."""

    name = "anthropic_batches"

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where the body is no list of requests that can be read one way."""
        results = plain_path(request.path).endswith("/results")
        if request.method.upper() == "GET" or not body:
            call = EmptyCall(self.name, body, results=results)
            call.rewrites_answer = not results  # an address in it: see BatchObject
            return call
        return MessageBatch(parse_object(body))

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """Raises ValueError where the body is neither a batch nor results."""
        if isinstance(call, EmptyCall) and call.results:
            return BatchResults(body)
        return BatchObject(parse_answer(body))

    def open_stream(self, call: Call) -> AnswerStream:
        """Batches are not streamed; what calls itself a stream is read as a message's."""
        return AnthropicStream()

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return _ERRORS.error_body(status, code, message, request_id)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return _ERRORS.limit_headers(limits)


class MessageBatch(BatchCall):
    """`requests[]`, each with a `custom_id` and the `params` of one message."""

    dialect = "anthropic_batches"
    deferred = True
    rewrites_answer = True

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        requests = root.get("requests")
        if type(requests) is not list or not requests:
            raise CallerError(
                Reason.BODY_MALFORMED, "`requests` must be a list with at least one request."
            )
        reader = Reader(document)
        members = []
        for number, request in enumerate(requests):
            members.append(self._read(reader, request, number))
        for name in root.keys() - {"requests"}:
            self._read_field(reader, root, name, name)
        self.own, self.own_unscannable = reader.segments, reader.unscannable
        self.take(members)

    def _read(self, reader: Reader, request: Any, number: int) -> Call:
        place = f"requests[{number}]"
        params = mapping(request).get("params")
        if type(params) is not dict:
            raise CallerError(Reason.BODY_MALFORMED, f"`{place}.params` must be an object.")
        refuse_keys(params)
        member = AnthropicCall(PartDocument(params, self._document), "chat")
        member.place = f"{place}.params"
        for name in request.keys() - {"params"}:
            self._read_field(reader, request, name, f"{place}.{name}")
        return member

    @staticmethod
    def _read_field(reader: Reader, holder: dict[str, Any], name: str, place: str) -> None:
        """Fields beside the requests: an id of the caller's is text that leaves."""
        if type(holder[name]) is str:
            reader.text(holder, name, Surface.USER, place, readonly=name == "custom_id")
        else:
            reader.json(holder[name], Surface.USER, place)

    def encode(self) -> bytes:
        return self._document.encode()


class BatchObject(Answer):
    """A batch, or a list of them: counts and times. There is no text in it.

    `results_url` is made a path: the SDKs go to the address that stands there, with the key that
    they have, and that would be the provider's own, past this gateway and its rules.
    """

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        data = root.get("data")
        for batch in data if type(data) is list else [root]:
            address = string(mapping(batch).get("results_url"))
            host, found, path = address.partition("/v1/messages/batches/")
            if found and host:
                batch["results_url"] = found + path
                document.touch()
        self.id = string(root.get("id"))

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """A batch calls no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """A batch calls no tools."""


class BatchResults(AnswerList):
    """Results by line: `result.message` is an answer. Their text is rewritten, never blocked."""

    def __init__(self, body: bytes) -> None:
        """Raises ValueError where a line is no JSON object."""
        lines = Lines(body)
        super().__init__(lines)
        self._lines = lines
        for number, line in enumerate(lines.read_all()):
            self._read(line, f"line {number + 1}")
        for segment in self.segments:
            segment.fresh = False

    def _read(self, line: JsonDocument, place: str) -> None:
        root: dict[str, Any] = line.root
        reader = Reader(line, fresh=False)
        result = root.get("result")
        if type(result) is dict:
            message = result.get("message")
            if type(message) is dict and message.get("type") == "message":
                self.add(AnthropicAnswer(PartDocument(message, line)), f"{place}.result.message")
            elif message is not None:
                reader.unknown(result, "message", Surface.OUTPUT, f"{place}.result.message")
            self._read_rest(reader, result, {"type", "message"}, f"{place}.result")
            self._read_rest(reader, root, {"custom_id", "result"}, place)
        else:
            reader.json(root, Surface.OUTPUT, place)
        self.segments += reader.segments
        self.unscannable += reader.unscannable

    @staticmethod
    def _read_rest(reader: Reader, node: dict[str, Any], known: set[str], place: str) -> None:
        """What else an object says: errors, and what this version does not know."""
        for name in node.keys() - known:
            if type(node[name]) is str:
                reader.text(node, name, Surface.OUTPUT, f"{place}.{name}")
            else:
                reader.json(node[name], Surface.OUTPUT, f"{place}.{name}")

    def encode(self) -> bytes:
        self.finish_inside()
        return self._lines.encode()
