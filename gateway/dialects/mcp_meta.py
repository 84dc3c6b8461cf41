"""The trace that a message of MCP belongs to, in `params._meta`: `traceparent`, `tracestate` and
`baggage`, as MCP's SEP-414 names them.

Context is read from the first message that has any, and written into every request and
notification that has named parameters or none; a server's instrumentation goes by it rather than
by the headers, of which one HTTP request has but one set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.dialects.jsonrpc import Kind, Message

PARENT, STATE, BAGGAGE = "traceparent", "tracestate", "baggage"
_FIELDS = (PARENT, STATE, BAGGAGE)


def context(messages: Iterable[Message]) -> Mapping[str, str]:
    """The fields of the first message that names a trace."""
    for message in messages:
        meta = message.params.get("_meta")
        if type(meta) is dict and type(meta.get(PARENT)) is str:
            return {name: value for name in _FIELDS if type(value := meta.get(name)) is str}
    return {}


def carry(messages: Iterable[Message], traceparent: str, tracestate: str) -> dict[int, Any]:
    """Write a context in the place of the one before; `baggage` stays.

    Returns:
        The values of `_meta` that are other ones now, by the number of their message.
    """
    written = {}
    for number, message in enumerate(messages):
        meta = _place(message)
        if meta is None:
            continue
        meta[PARENT] = traceparent
        if tracestate:
            meta[STATE] = tracestate
        else:
            meta.pop(STATE, None)
        written[number] = meta
    return written


def drop(messages: Iterable[Message]) -> dict[int, Any]:
    """Take the fields out. Returns as `carry`."""
    found = {}
    for number, message in enumerate(messages):
        meta = message.params.get("_meta")
        if type(meta) is not dict:
            continue
        for name in _FIELDS:
            if meta.pop(name, None) is not None:
                found[number] = meta
    return found


def _place(message: Message) -> dict[str, Any] | None:
    """A message's `_meta`, made where it may be; None where it has no place for one."""
    if message.kind not in (Kind.REQUEST, Kind.NOTIFICATION):
        return None
    params = message.node.get("params")
    if params is None:
        params = message.node["params"] = {}
    if type(params) is not dict:
        return None
    meta = params.setdefault("_meta", {})
    return meta if type(meta) is dict else None
