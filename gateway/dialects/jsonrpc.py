"""JSON-RPC 2.0 messages and batches (jsonrpc.org/specification), as MCP sends them.

Rules of this file:
- What a caller sends is read strictly: whoever else parses an accepted body reads the same
  messages, the same methods and the same ids, or the body is refused.
- What a server sends is read leniently, and everything that one of its messages holds is read,
  whatever it seems to be. Where a key stands twice the last counts, and the message is written
  anew, so that the caller reads what the rules read.
- An id is a string, or a whole number that every parser keeps (53 bits, RFC 8259 section 6).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.dialects.jsondoc import (
    MAX_DEPTH,
    JsonDocument,
    dumps,
    loads_lenient,
    parse,
    unique_keys,
)
from gateway.errors import CallerError
from gateway.verdict import Reason

MAX_BATCH = 256
"""Messages in one batch."""

MAX_ID = 1024
"""Characters of a string id."""

_MOST_DIGITS = 1000
_SAFE_INTEGER = (1 << 53) - 1
_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})

INVALID_REQUEST = -32600
PARSE_ERROR = -32700
INTERNAL_ERROR = -32603
"""Codes of the specification, section 5.1."""

STOPPED = -32010
"""Ours, for what a rule stopped: in the range for implementations (-32000 to -32019 in MCP's
schema of 2026-07-28), and none that the official SDKs use for something else."""

Id = int | str | None


class Kind(StrEnum):
    REQUEST = "request"
    NOTIFICATION = "notification"
    RESULT = "result"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `node` is its object in the parsed document; `id` None where it has none."""

    node: dict[str, Any]
    kind: Kind
    id: Id = None
    method: str = ""

    @property
    def params(self) -> dict[str, Any]:
        """The named parameters; an empty object for any others."""
        value = self.node.get("params")
        return value if type(value) is dict else {}


# --- what a caller sends ----------------------------------------------------------------------


def read_messages(body: bytes) -> tuple[JsonDocument, list[Message]]:
    """Read a message or a batch. Raises CallerError."""
    document = parse(body)
    root = document.root
    if type(root) is dict:
        return document, [_strict(root)]
    if type(root) is not list:
        raise _malformed("The body must be a JSON-RPC message: an object, or a list of them.")
    if not 0 < len(root) <= MAX_BATCH:
        raise _malformed(f"A JSON-RPC batch must have 1 to {MAX_BATCH} messages.")
    messages = [_strict(node) for node in root]
    _check_ids(messages)
    return document, messages


def _strict(node: Any) -> Message:
    if type(node) is not dict:
        raise _malformed("A JSON-RPC message must be an object.")
    if node.get("jsonrpc") != "2.0":
        raise _malformed('A JSON-RPC message must have "jsonrpc": "2.0".')
    only_spelling(node, _ENVELOPE)
    method, number = node.get("method"), _id_of(node)
    says = [key for key in ("method", "result", "error") if key in node]
    if len(says) != 1:
        raise _malformed("A JSON-RPC message must have one of method, result and error.")
    if says[0] == "method":
        if type(method) is not str or not method:
            raise _malformed("The method of a JSON-RPC request must be a string.")
        if type(node.get("params")) not in (dict, list, type(None)):
            raise _malformed("The params of a JSON-RPC request must be an object or a list.")
        if "id" not in node:
            return Message(node, Kind.NOTIFICATION, method=method)
        if number is None:
            raise _malformed("The id of a JSON-RPC request must be a string or a whole number.")
        return Message(node, Kind.REQUEST, number, method)
    if "params" in node:
        raise _malformed("A JSON-RPC response has no params.")
    if says[0] == "error":
        if type(node["error"]) is not dict:
            raise _malformed("The error of a JSON-RPC response must be an object.")
        return Message(node, Kind.ERROR, number)
    if number is None:
        raise _malformed("A JSON-RPC response must have the id of its request.")
    return Message(node, Kind.RESULT, number)


def _id_of(node: dict[str, Any]) -> Id:
    """The id; None where there is none or it is null. Raises CallerError for any other value."""
    value = node.get("id")
    if value is None:
        return None
    if type(value) is str and len(value) <= MAX_ID:
        return value
    if type(value) is int and -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return value
    raise _malformed(
        f"The id of a JSON-RPC message must be a string of at most {MAX_ID} characters, or a "
        "whole number of at most 53 bits."
    )


def _check_ids(messages: Sequence[Message]) -> None:
    seen: set[str] = set()
    for message in messages:
        if message.kind is Kind.REQUEST:
            name = str(message.id)  # some servers do not tell 1 from "1"
            if name in seen:
                raise _malformed("Two requests of a JSON-RPC batch have the same id.")
            seen.add(name)


def only_spelling(node: dict[str, Any], words: frozenset[str]) -> None:
    """Refuse keys that are one of `words` but for their case: Go's parser, to name one, takes
    `Method` for `method`. Raises CallerError."""
    if words.issuperset(node):
        return
    for key in node:
        if key not in words and key.lower() in words:
            raise _malformed(f"A JSON-RPC message spells the key {key.lower()!r} in another way.")


def _malformed(message: str) -> CallerError:
    return CallerError(Reason.BODY_MALFORMED, message)


# --- what a server sends ----------------------------------------------------------------------


class NotJsonError(ValueError):
    """What a server sent is no JSON in any parser's reading."""


def read_answer(body: bytes | str) -> tuple[JsonDocument, list[Message]]:
    """Read what a server sent: those of its parts that are messages.

    Raises:
        NotJsonError: it is none.
        ValueError: it is, but nested more deeply than can be read.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        root = loads_lenient(body)
    except ValueError:
        document = JsonDocument(root := _loads_as_others_do(raw), raw)
        document.touch()
    else:
        document = JsonDocument(root, raw)
        if not unique_keys(raw, root):
            document.touch()
    nodes = root if type(root) is list else [root]
    return document, [_lenient(node) for node in nodes if is_message(node)]


_PARTS = frozenset({"method", "result", "error"})


def is_message(node: Any) -> bool:
    """Whether something that a server sent can be taken for a message."""
    return type(node) is dict and not _PARTS.isdisjoint(node)


def _loads_as_others_do(raw: bytes) -> Any:
    """Parse what some clients take for JSON: with a byte order mark, with NaN."""
    try:
        root = json.loads(raw.decode("utf-8-sig"), parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    level = [root]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for node in level for inner in _inside(node)]
        if not level:
            return root
    raise ValueError("nested too deeply")


def _inside(node: Any) -> Iterable[Any]:
    if type(node) is dict:
        return node.values()
    return node if type(node) is list else ()


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _lenient(node: dict[str, Any]) -> Message:
    value = node.get("id")
    number = value if type(value) in (int, str) else None
    method = node.get("method")
    if type(method) is str:
        kind = Kind.NOTIFICATION if value is None else Kind.REQUEST
        return Message(node, kind, number, method)
    return Message(node, Kind.RESULT if "result" in node else Kind.ERROR, number)


# --- what we say ourselves --------------------------------------------------------------------


def result(number: Id, value: Any) -> dict[str, Any]:
    """A response."""
    return {"jsonrpc": "2.0", "id": number, "result": value}


def error(number: Id, code: int, message: str, reason: str) -> dict[str, Any]:
    """A response that is an error; `reason` stands in its data."""
    told = {"code": code, "message": message, "data": {"reason": reason}}
    return {"jsonrpc": "2.0", "id": number, "error": told}


def write(messages: Sequence[dict[str, Any]], *, batch: bool = False) -> bytes:
    """The bytes of a message, or of a batch; b"" for none."""
    if not messages:
        return b""
    return dumps(list(messages) if batch else messages[0])
