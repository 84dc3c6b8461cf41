"""Headers in which MCP of 2026-07-28 repeats what its body says: `mcp-method`, `mcp-name`, and
`mcp-param-*` for arguments that a tool's schema marks so.

A server refuses a request whose headers and body differ, and whatever stands between may route by
the headers. So they are read as the body is, and what a rule rewrites is rewritten in both. The
encoding is the specification's: plain ASCII as it is, anything else as `=?base64?...?=`.
"""

from __future__ import annotations

import base64
import binascii
import re

from gateway.dialects.base import Surface
from gateway.dialects.reading import Reader
from gateway.message import Headers

METHOD = "mcp-method"
NAME = "mcp-name"
PARAM = "mcp-param-"

_CODED = re.compile(r"=\?base64\?(.*)\?=")
_PLAIN = re.compile(r"[\x20-\x7e]*")


def decode(value: str) -> str:
    """The text of a header's value; one that is coded wrongly is taken as it stands."""
    coded = _CODED.fullmatch(value)
    if coded is None:
        return value
    try:
        return base64.b64decode(coded[1], validate=True).decode()
    except (binascii.Error, ValueError):
        return value


def encode(text: str) -> str:
    """A header's value for a text."""
    if _PLAIN.fullmatch(text) and text == text.strip() and not _CODED.fullmatch(text):
        return text
    coded = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return f"=?base64?{coded}?="


class RepeatedHeaders:
    """The headers of one request that repeat its body, as segments."""

    __slots__ = ("_said", "_texts", "method", "name")

    def __init__(self, headers: Headers) -> None:
        self.method = decode(headers.get(METHOD))
        self.name = decode(headers.get(NAME))
        found: dict[str, list[str]] = {}
        for name, value in headers:
            low = name.lower()
            if low == NAME or low.startswith(PARAM):
                found.setdefault(low, []).append(decode(value))
        self._said = {name: tuple(texts) for name, texts in found.items()}
        self._texts = found

    def read(self, reader: Reader, *, named: bool) -> None:
        """Add what they say. `named`: the name is that of a tool or prompt, which no rule
        rewrites."""
        for name, texts in self._texts.items():
            fixed = named and name == NAME
            for number, text in enumerate(texts):
                if text:
                    reader.text(texts, number, Surface.TOOL_CALL, "headers", readonly=fixed)

    def mend(self, headers: Headers) -> None:
        """Write what rules put in the place of these texts into the headers that go upstream."""
        for name, texts in self._texts.items():
            if tuple(texts) != self._said[name] and name in headers:
                headers.remove(name)
                for text in texts:
                    headers.add(name, encode(text))
