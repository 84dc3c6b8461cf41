"""Which text a body is: JSON and streams of events are UTF-8, whatever a content-type says.

RFC 8259 (8.1) and the HTML standard (server-sent events) leave no choice, and rules read them so.
But servers (iconv-lite below Express) and clients (httpx) go by the `charset` that they are told,
so a body in UTF-7 would be one text to the rules and another to its reader. A request with such a
charset is refused; an answer that rules read gets a content-type that says how it was read.
"""

from __future__ import annotations

import functools
import re

from gateway.dialects.http_tool_text import text_codec
from gateway.errors import CallerError
from gateway.message import Headers
from gateway.verdict import Reason

_TYPE = "content-type"
_TYPES = frozenset({_TYPE})
_CHARSET = re.compile(r";\s*charset\s*=\s*(\"?)([A-Za-z0-9_.:-]{1,40})\1\s*(?:;|$)", re.IGNORECASE)
_EVENTS = "text/event-stream"
_MISTAKEN = ("event-stream", "application/json")
"""What some clients look for anywhere in a content-type."""


def refuse_charset(headers: Headers) -> None:
    """Raises CallerError for a request whose charset is not one in which ASCII is itself."""
    for _, value in headers.all(_TYPES):
        if not _is_read(value):
            raise CallerError(
                Reason.ENCODING_UNSUPPORTED,
                "The body's charset cannot be read by this gateway. Nothing was sent to the "
                "provider. Send it as UTF-8.",
            )


def settle_type(headers: Headers) -> None:
    """Make an answer's content-type say what the rules took it for, where it leaves a doubt."""
    said = headers.all(_TYPES)
    if said:
        value = _settled(said[0][1])
        if len(said) > 1 or value != said[0][1]:
            headers.set("Content-Type", value)


@functools.lru_cache(maxsize=256)
def _is_read(content_type: str) -> bool:
    count = content_type.lower().count("charset")
    if not count:
        return True
    found = _CHARSET.search(content_type)
    return count == 1 and found is not None and text_codec(found[2], wide=False) is not None


@functools.lru_cache(maxsize=256)
def _settled(content_type: str) -> str:
    kind, _, parameters = content_type.partition(";")
    kind, parameters = kind.strip(), parameters.lower()
    low = kind.lower()
    if low not in (_EVENTS, "application/json") and any(word in low for word in _MISTAKEN):
        return "application/octet-stream"
    if _is_read(content_type) and not any(word in parameters for word in _MISTAKEN):
        return content_type
    return f"{kind}; charset=utf-8"
