"""HTTP tools: any request to an HTTP upstream is a call of a tool, its answer what the tool gave.

Rules of this file:
- The path's parameters, the query and the body are what the tool is called with: each value is a
  `tool_call` segment, and all of them together are the arguments of the one call that the request
  makes (`Call.invokes`).
- What a rule rewrites goes back into its own place: a parameter into the path, a value into the
  query, a leaf into the body. Everything else stays byte for byte.
- An answer is read whatever its status: what a tool says of its failure is a tool result too.
- Headers are not read: they hold credentials, and nothing that a model writes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import orjson

from gateway.dialects.base import (
    Answer,
    Call,
    RateLimit,
    Segment,
    Surface,
    ToolCall,
)
from gateway.dialects.http_tool_body import Body, read_answer, read_request, view_of
from gateway.dialects.http_tool_media import Media
from gateway.dialects.http_tool_pairs import PairsDocument
from gateway.dialects.http_tool_path import PathTemplate, readings, words_of
from gateway.dialects.http_tool_stream import FRAMINGS, HttpToolStream
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.paths import plain_path
from gateway.dialects.reading import byte_length
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

AMBIGUOUS = "\0"
"""Stands for the name of a tool, where a path may be that of two; no tool is named so."""

_PATHS = frozenset({"x-original-url", "x-rewrite-url"})
_HYPHENED = _PATHS | {"x-http-method-override", "x-http-method", "x-method-override"}
_OVERRIDES = _HYPHENED | {name.replace("-", "_") for name in _HYPHENED}
"""With underscores too: to servers behind CGI or WSGI both are one header."""
_CONTENT_TYPE = frozenset({"content-type"})
_LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class HttpTool:
    """Reads the calls of one tool.

    Args:
        name: the tool's; "" for a path that is none of the upstream's tools, AMBIGUOUS for one
            that may be two of them.
        template: the pattern that the path matches.
        target: the raw path and query as upstream will see them.
    """

    name = "http_tool"

    def __init__(
        self, name: str = "", template: PathTemplate | None = None, target: str = ""
    ) -> None:
        self._tool = name
        self._template = template
        self._target = target

    def decode(self, request: Request, body: bytes) -> Call:
        check_overrides(request)
        if len(request.headers.all(_CONTENT_TYPE)) > 1:
            raise CallerError(
                Reason.BODY_MALFORMED,
                "The request has two content-types. Nothing was sent to the tool. Send one.",
            )
        if self._tool == AMBIGUOUS:
            raise CallerError(
                Reason.PATH_AMBIGUOUS,
                "This path can be read in two ways, as that of two tools. Nothing was sent to the "
                "tool. Write it plainly: no escaped slashes, no empty or dot segments, and "
                "capitals as the tool has them.",
            )
        target = ToolTarget(self._target or request.target, self._template)
        read = read_request(body, request.headers.get("content-type"))
        for pairs in (target.query, read.document):
            if isinstance(pairs, PairsDocument) and pairs.names_method(request.method):
                raise _overridden("`_method`")
        return HttpToolCall(self._tool, request.method, target, read)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        assert isinstance(call, HttpToolCall)
        return HttpToolAnswer(read_answer(body, call.answer_type))

    def open_stream(self, call: Call) -> HttpToolStream:
        assert isinstance(call, HttpToolCall)
        return HttpToolStream(lines=Media(call.answer_type).lines)

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        """The message first: agents show the beginning of what they got."""
        return orjson.dumps(
            {"error": {"message": message, "code": code, "status": status, "id": request_id}}
        )

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        """Of the bucket of requests: no standard has names for them; these are the usual ones."""
        for limit in limits:
            if limit.unit == "requests":
                values = (limit.limit, limit.remaining, math.ceil(limit.reset))
                return Headers(zip(_LIMIT_HEADERS, map(str, values), strict=True))
        return Headers()


def check_overrides(request: Request) -> None:
    """Refuse headers by which frameworks take another method or path than those of the request
    (Rails, Symfony, ASP.NET and IIS do): the tool would not be the one that was judged.

    Raises:
        CallerError: PATH_AMBIGUOUS.
    """
    if request.headers.has_any(_OVERRIDES):
        for name, value in request.headers.all(_OVERRIDES):
            if name.replace("_", "-") in _PATHS or value.strip().upper() != request.method.upper():
                raise _overridden(f"the header {name}")


def _overridden(what: str) -> CallerError:
    return CallerError(
        Reason.PATH_AMBIGUOUS,
        f"This request names another method or path in {what}. Nothing was sent to the tool. Send "
        "the method and path that are meant.",
    )


class ToolTarget(JsonDocument):
    """The path and the query of a request. `root` are the values of the path's parameters; for a
    path without a pattern, the path itself."""

    __slots__ = ("_path", "_template", "_was", "query", "segments")

    def __init__(self, target: str, template: PathTemplate | None) -> None:
        path, mark, query = target.partition("?")
        super().__init__([], b"")
        self._path, self._template = path, template
        exact = readings(path)[0]
        values = template.match(exact) if template is not None else None
        if values is None:
            self._template, values = None, _whole(path)
        self.root = list(values)
        self._was = tuple(values)
        self.query = PairsDocument(query, outer=self) if mark else None
        self.segments = [
            Segment(self, self.root, number, value, Surface.TOOL_CALL, "parameters")
            for number, value in enumerate(values)
        ]
        if self.query is not None:
            self.segments += self.query.segments(Surface.TOOL_CALL, "parameters")

    @property
    def text(self) -> str:
        """The raw path and query with what was changed in them."""
        path = self._path
        if tuple(self.root) != self._was:
            template = self._template or _WHOLE
            changed = {
                name: now
                for name, was, now in zip(template.names, self._was, self.root, strict=True)
                if now != was
            }
            path = template.rebuild(path, changed)
        return path if self.query is None else f"{path}?{self.query.text}"

    def view(self) -> dict[str, Any]:
        """The values by their names."""
        said: dict[str, Any] = {}
        if self._template is not None and self.root:
            said["path"] = dict(zip(self._template.names, self.root, strict=True))
        elif self.root:
            said["path"] = self.root[0]
        if self.query is not None and self.query.root:
            said["query"] = self.query.view()
        return said


_WHOLE = PathTemplate("/{+path}")


def _whole(path: str) -> tuple[str, ...]:
    """A path that has no pattern, as the one value that it is."""
    text = unquote(path).lstrip("/")
    return (text,) if text else ()


class HttpToolCall(NoModelCall):
    """A call of a tool."""

    dialect = "http_tool"
    operation = "tool"
    party = "tool"
    billable = False
    reads_errors = True
    answer_surfaces = frozenset({Surface.TOOL_RESULT})
    framings = FRAMINGS

    def __init__(self, tool: str, method: str, target: ToolTarget, body: Body) -> None:
        super().__init__(body.document)
        self._target = target
        self._body = body
        self.segments = [*target.segments, *body.segments]
        self.unscannable = list(body.unscannable)
        self.answer_type = ""
        if tool:
            invoked = ToolCall("", tool, self._arguments())
        else:
            path, method = target.text.partition("?")[0], method.upper()[:16]
            name, label = f"{method} {plain_path(path)}", f"{method} {words_of(path)}"
            invoked = ToolCall("", name, self._arguments(), unknown=True, shown_as=label)
        self.invokes = [invoked]

    def encode(self) -> bytes:
        assert isinstance(self.document, JsonDocument)
        return self.document.encode()

    def target(self, path: str) -> str:
        return self._target.text if self._target.changed else path

    def heard(self, status: int, headers: Headers) -> None:
        self.answer_type = headers.get("content-type")

    def arguments_now(self, invoked: ToolCall) -> str:
        changed = self._target.changed or self.document.changed
        return self._arguments() if changed else invoked.arguments

    def _arguments(self) -> str:
        """All that the tool is called with, as JSON: `path`, `query`, `body`."""
        said = self._target.view()
        if isinstance(self.document, JsonDocument):
            self.document.flush()
        if self.document.raw:
            said["body"] = self._body.view()
        return view_of(said)

    def input_bound(self) -> int:
        return byte_length(self.segments)

    def input_estimate(self) -> int:
        return -(-self.input_bound() // 4)


class HttpToolAnswer(Answer):
    """What a tool gave."""

    def __init__(self, body: Body) -> None:
        super().__init__(body.document)
        self._document = body.document
        self.segments = body.segments
        self.unscannable = body.unscannable

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """A tool calls none."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """A tool calls none."""
