"""What a client sends to an MCP server: requests, notifications, and its own answers to what the
server asked, one by one or as a batch; or nothing, where it opens or ends a stream.

| what | surface |
|---|---|
| arguments of `tools/call`, addresses of resources, whatever has no row of its own | `tool_call` |
| arguments of prompts, what is to be completed, what a person filled into a form | `user` |
| what the client's model said (an answer to `sampling/createMessage`) | `assistant` |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from gateway.dialects import jsonrpc, mcp_carrier, mcp_meta
from gateway.dialects.base import Surface, ToolCall
from gateway.dialects.jsondoc import JsonDocument, dumps
from gateway.dialects.jsonrpc import Kind, Message
from gateway.dialects.mcp_address import MARK, is_carried, upstream_path
from gateway.dialects.mcp_headers import RepeatedHeaders
from gateway.dialects.mcp_reading import McpReader
from gateway.dialects.mcp_splice import splice
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.token_estimate import likely_in
from gateway.errors import CallerError, UpstreamError
from gateway.message import Headers, Request
from gateway.verdict import Reason

ENVELOPE = "io.modelcontextprotocol/protocolVersion"
"""Where a request of 2026-07-28 or later names its version, in `_meta`."""

_METHOD = re.compile(r"[a-z][A-Za-z]{0,31}(?:/[a-z][A-Za-z_]{0,31}){0,3}")
_CALL = "tools/call"
_LISTEN = "subscriptions/listen"
_NAMED = frozenset({"name", "arguments"})
_CONTENT = Surface.TOOL_CALL
_ANSWERS = frozenset({"inputResponses"})
_TRACES = frozenset({"progressToken", "traceparent", "tracestate"})
"""What stands in `_meta` by the protocol's own rules: tokens, not text."""
_TOKEN = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
"""A session's id as the official servers write it into an address (a UUID)."""


class McpCall(NoModelCall):
    """A POST with messages, or a request without a body that opens or ends a session's stream.

    Attributes:
        messages: in their order.
        prefix: the first part of the caller's path: the upstream's name.
    """

    dialect = "mcp"
    operation = "tool"
    billable = False
    reads_errors = True
    rewrites_answer = True
    answer_surfaces = frozenset({Surface.TOOL_RESULT, Surface.TOOL_DEFINITION})

    def __init__(self, request: Request, body: bytes, endpoint: str = "/") -> None:
        document, messages = jsonrpc.read_messages(body) if body else (JsonDocument(None, body), [])
        super().__init__(document)
        self.messages = messages
        self.batch = type(document.root) is list
        self.prefix = "/" + request.path.lstrip("/").partition("/")[0]
        self.carried_back = is_carried(request.path)
        self.opens_stream = request.method == "GET"
        self.endless = self.opens_stream or any(m.method == _LISTEN for m in messages)
        self.stream = self.opens_stream
        self._headers = RepeatedHeaders(request.headers)
        self._reader = reader = McpReader(document)
        self._invoked: dict[str, dict[str, Any]] = {}
        self._spliced: bytes | None = None  # the body, where nothing but its `_meta` was changed
        for number, message in enumerate(messages):
            self._read(message, str(number))
        self._read_target(request.target, endpoint)
        self.rpc = [_plain(message) for message in messages]
        methods = {message.method for message in messages}
        self._headers.read(reader, named=bool(methods & {_CALL, "prompts/get"}))
        self._invoke_by_header()
        self.party = "tool" if self.invokes else "server"
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    # --- reading ---

    def _read_target(self, target: str, endpoint: str) -> None:
        """Words in an address go to the server as well as those in a body."""
        path, _, query = target.partition("?")
        rest = path.lstrip("/").partition("/")[2]
        words: list[str] = []
        if rest and upstream_path(endpoint, f"/{rest}") != (endpoint or "/"):
            words += unquote(rest).replace(MARK, "").split("/")
        for pair in parse_qsl(query, keep_blank_values=True):
            words += pair
        texts = [word for word in words if word and not _TOKEN.fullmatch(word)]
        for number in range(len(texts)):
            self._reader.text(texts, number, _CONTENT, "target", readonly=True)

    def _read_meta(self, node: Any) -> None:
        """`_meta` is for programs, but whatever is in it reaches the server. Never rewritten."""
        meta = node.get("_meta") if type(node) is dict else None
        if type(meta) is dict:
            said = {key: value for key, value in meta.items() if key not in _TRACES}
            self._reader.json(said, _CONTENT, "_meta", readonly=True)
        elif type(meta) is str or type(meta) is list:
            self._reader.json([meta], _CONTENT, "_meta", readonly=True)

    def _read(self, message: Message, key: str) -> None:
        reader, node = self._reader, message.node
        for part in (node, node.get("params"), node.get("result")):
            self._read_meta(part)
        if message.kind is Kind.RESULT:
            reader.client_result(node, "result")
        elif message.kind is Kind.ERROR:
            reader.error(node, Surface.USER)
        elif type(node.get("params")) is dict:
            self._read_params(message, key)
        elif "params" in node:
            reader.leaves(node, "params", _CONTENT, "params")
        if message.method.strip().casefold() == _CALL and key not in self._invoked:
            raise CallerError(
                Reason.BODY_MALFORMED,
                "tools/call must be written in just this way, with named params.",
            )
        reader.rest(
            node,
            _CONTENT,
            "",
            frozenset({"jsonrpc", "id", "method", "params", "result", "error"}),
        )

    def _read_params(self, message: Message, key: str) -> None:
        reader, params, done = self._reader, message.params, set(_ANSWERS)
        if message.method == _CALL:
            jsonrpc.only_spelling(params, _NAMED)
            self._invoke(message, params, key)
            done |= {"name", "task"}
        elif message.method == "prompts/get":
            jsonrpc.only_spelling(params, _NAMED)
            reader.text(params, "name", _CONTENT, "name", readonly=True)
            if "arguments" in params:
                reader.leaves(params, "arguments", Surface.USER, "arguments")
            done |= _NAMED
        elif message.method == "completion/complete":
            for field in ("argument", "context"):
                if field in params:
                    reader.leaves(params, field, Surface.USER, field)
                    done.add(field)
        elif message.method == "initialize":
            reader.rest(params, Surface.USER, "", frozenset({"protocolVersion"}))
            return
        answers = params.get("inputResponses")
        if type(answers) is dict:
            for name in answers:
                reader.client_result(answers, name)
        elif answers is not None:
            reader.leaves(params, "inputResponses", Surface.USER, "inputResponses")
        reader.rest(params, _CONTENT, "", frozenset(done))

    def _invoke(self, message: Message, params: dict[str, Any], key: str) -> None:
        name = params.get("name")
        if type(name) is not str or not name:
            raise CallerError(Reason.BODY_MALFORMED, "tools/call must name a tool.")
        if type(params.get("arguments")) not in (dict, type(None)):
            raise CallerError(
                Reason.BODY_MALFORMED, "The arguments of tools/call must be an object."
            )
        self._reader.text(params, "name", _CONTENT, "name", readonly=True)
        self._invoked[key] = params
        self.invokes.append(ToolCall(str(message.id), name, _arguments(params), key))

    def _invoke_by_header(self) -> None:
        """A tool that only the headers name is judged as well: somebody may go by them."""
        method, name = self._headers.method, self._headers.name
        calls = method == _CALL or bool(self._invoked)
        if calls and name and all(invoked.name != name for invoked in self.invokes):
            self.invokes.append(ToolCall("", name, "{}", "header"))

    # --- writing ---

    def encode(self) -> bytes:
        if self._spliced is not None:
            return self._spliced
        document: Any = self.document
        encoded: bytes = document.encode()
        return encoded if self.messages else document.raw

    def arguments_now(self, invoked: ToolCall) -> str:
        params = self._invoked.get(invoked.key)
        return _arguments(params) if params is not None else invoked.arguments

    def mend_headers(self, headers: Headers) -> None:
        self._headers.mend(headers)

    def context(self) -> Mapping[str, str]:
        return mcp_meta.context(self.messages)

    def carry(self, traceparent: str, tracestate: str) -> None:
        self._rewrite(mcp_meta.carry(self.messages, traceparent, tracestate))

    def drop_context(self) -> None:
        self._rewrite(mcp_meta.drop(self.messages))

    def _rewrite(self, metas: dict[int, Any]) -> None:
        """Write these values of `_meta` into the body; where no rule changed it, only these."""
        if metas:
            if not self.document.changed:
                self._spliced = splice(self.document.raw, metas, batch=self.batch)
            self.document.touch()

    def heard(self, status: int, headers: Headers) -> None:
        """A redirect would lead the client around the gateway."""
        if 300 <= status < 400 and "location" in headers:
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                "The MCP server redirects to another address. The operator must write that address "
                "into the policy file, as the upstream's url.",
                retryable=False,
            )

    def input_estimate(self) -> int:
        return likely_in(self.segments)

    # --- what the caller is told where it goes no further ---

    def refused(self, code: str, message: str) -> tuple[int, bytes] | None:
        if not self.messages:
            return None
        told = [self._refusal(each, code, message) for each in self.messages if _is_asked(each)]
        return (200 if told else 202), jsonrpc.write(told, batch=self.batch)

    def _refusal(self, asked: Message, code: str, message: str) -> dict[str, Any]:
        if asked.method == _CALL and "task" not in asked.params:
            meta = asked.params.get("_meta")
            modern = type(meta) is dict and ENVELOPE in meta
            return jsonrpc.result(asked.id, tool_error(message, modern=modern))
        return jsonrpc.error(asked.id, jsonrpc.STOPPED, message, code)

    def failed(self, code: str, message: str) -> bytes | None:
        asked = [each for each in self.messages if _is_asked(each)]
        if not asked:
            return None
        told = [jsonrpc.error(each.id, jsonrpc.INTERNAL_ERROR, message, code) for each in asked]
        return jsonrpc.write(told, batch=self.batch)

    def carried(self, code: str, reference: str, wait: int) -> bytes | None:
        """What goes upstream in the place of a request that was stopped, where answers come on
        another stream; None where the reply itself tells."""
        if not self.carried_back or self.batch or not all(map(_is_asked, self.messages)):
            return None
        return mcp_carrier.ping(self.messages[0].id, self.party, code, reference, wait)


def tool_error(message: str, *, modern: bool = False) -> dict[str, Any]:
    """A tool's result that says what went wrong, so that the model reads it."""
    told: dict[str, Any] = {"content": [{"type": "text", "text": message}], "isError": True}
    if modern:
        told["resultType"] = "complete"
    return told


def _plain(message: Message) -> str:
    """A message's method for the record; `*` for one that might be content."""
    if message.kind in (Kind.RESULT, Kind.ERROR):
        return "response"
    return message.method if _METHOD.fullmatch(message.method) else "*"


def _is_asked(message: Message) -> bool:
    return message.kind is Kind.REQUEST


def _arguments(params: dict[str, Any]) -> str:
    arguments = params.get("arguments")
    return dumps(arguments).decode() if arguments is not None else "{}"
