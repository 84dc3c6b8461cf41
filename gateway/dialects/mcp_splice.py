"""Another `params._meta` in a message of MCP, every other byte as it came.

A body that is written anew from its tree loses what a double cannot hold: long numbers in the
arguments of a tool. What only learns of a trace must not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.dialects.jsondoc import dumps

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_END = re.compile(rb"[ \t\r\n]*}")


@dataclass(slots=True)
class _Place:
    """Where a message begins (behind its brace), where its params do, and its `_meta`'s bytes.

    `null`: where params stand as `null`. -1: there is none.
    """

    message: int
    params: int = -1
    null: int = -1
    meta: tuple[int, int] = (-1, -1)


def splice(raw: bytes, metas: Mapping[int, Any], *, batch: bool) -> bytes:
    """The body with these values of `_meta`, by the number of the message.

    Args:
        raw: a body that was read without an error, so that no key stands twice in it.
    """
    edits: list[tuple[int, int, bytes]] = []
    for number, place in enumerate(_places(raw, 2 if batch else 1)):
        if number not in metas:
            continue
        meta = dumps(metas[number])
        if place.meta[0] >= 0:
            edits.append((*place.meta, meta))
        elif place.params >= 0:
            comma = b"" if _END.match(raw, place.params) else b","
            edits.append((place.params, place.params, b'"_meta":' + meta + comma))
        elif place.null >= 0:
            edits.append((place.null, place.null + len(b"null"), b'{"_meta":' + meta + b"}"))
        else:
            edits.append((place.message, place.message, b'"params":{"_meta":' + meta + b"},"))
    pieces, at = [], 0
    for start, end, new in edits:
        pieces += [raw[at:start], new]
        at = end
    return b"".join([*pieces, raw[at:]])


def _places(raw: bytes, base: int) -> list[_Place]:
    """One for each message; `base`: how deep its keys lie."""
    places: list[_Place] = []
    depth, key, inner, value = 0, "", "", -1
    for token in _TOKEN.finditer(raw):
        mark = token[0][:1]
        if mark == b'"':
            colon = _COLON.match(raw, token.end()) if base <= depth <= base + 1 else None
            if colon is None:
                continue
            value = colon.end()
            if depth == base:
                key, inner = orjson.loads(token[0]), ""
                if key == "params" and raw.startswith(b"null", value):
                    places[-1].null = value
            elif key == "params":
                inner = orjson.loads(token[0])
        elif mark in b"{[":
            depth += 1
            if depth == base and mark == b"{":
                places.append(_Place(token.end()))
            elif key == "params" and token.start() == value and mark == b"{":
                if depth == base + 1:
                    places[-1].params = token.end()
                elif depth == base + 2 and inner == "_meta":
                    places[-1].meta = (token.start(), -1)
        else:
            if depth == base + 2 and places[-1].meta[0] >= 0 > places[-1].meta[1]:
                places[-1].meta = (places[-1].meta[0], token.end())
            depth -= 1
    return places
