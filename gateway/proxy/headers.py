"""Which headers travel, and which do not. Everything not named here passes as it came."""

from __future__ import annotations

from collections.abc import Callable

from gateway.message import Headers
from gateway.telemetry.trace_context import FIELDS

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 section 7.6.1, and the obsolete ones that are still sent."""

CREDENTIALS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
"""Where a caller's key may stand."""

READABLE = ("gzip", "deflate", "identity")
"""Content encodings that rules can read."""

_CONNECTION = frozenset({"connection"})
_DROPPED_UP = HOP_BY_HOP | {"host", "content-length", "expect"}
_DROPPED_DOWN = HOP_BY_HOP | {"content-length"}


def to_upstream(
    headers: Headers,
    *,
    drop_credentials: Callable[[str, str], bool] | None,
    credential: tuple[str, str] | None,
) -> Headers:
    """The request headers that upstream sees.

    Args:
        drop_credentials: says of a credential header's name and value whether it must not travel
            (a gateway key never does); None: they all may.
        credential: the upstream's own credential header, in lower case, where the operator
            configured one; it takes the place of whatever the caller sent.
    """
    if credential is not None:
        dropped = _DROPPED_UP | CREDENTIALS
        if credential[0] not in CREDENTIALS:
            dropped |= {credential[0]}
        return Headers([*_without(headers, dropped), credential])
    kept = _without(headers, _DROPPED_UP)
    if drop_credentials is not None:
        kept = [
            (name, value)
            for name, value in kept
            if (low := name.lower()) not in CREDENTIALS or not drop_credentials(low, value)
        ]
    return Headers(kept)


def to_caller(headers: Headers) -> Headers:
    """The answer's headers that the caller sees; only this gateway speaks as `x-portcullis-*`."""
    return Headers(_without(headers, _DROPPED_DOWN))


def readable_only(headers: Headers, *, stream: bool) -> None:
    """Ask upstream only for encodings that rules can read; a stream is asked for as it is."""
    if "accept-encoding" not in headers:
        return
    if stream:
        headers.set("Accept-Encoding", "identity")
        return
    asked = (part.strip() for part in headers.get("accept-encoding").split(","))
    kept = [part for part in asked if part.partition(";")[0].strip().lower() in READABLE]
    headers.set("Accept-Encoding", ", ".join(kept) or "identity")


def drop_context(headers: Headers) -> None:
    """Tell upstream of no trace that the call belongs to, and of no baggage."""
    if headers.has_any(FIELDS):
        for name in FIELDS:
            headers.remove(name)


def _without(headers: Headers, dropped: frozenset[str]) -> list[tuple[str, str]]:
    """Headers that are neither dropped, nor declared by the Connection header as belonging to
    this hop, nor our own."""
    if "connection" in headers:
        declared = [value.lower().split(",") for _, value in headers.all(_CONNECTION)]
        dropped = dropped.union([name.strip() for names in declared for name in names])
    return [
        pair
        for pair in headers.items
        if (low := pair[0].lower()) not in dropped and not low.startswith("x-portcullis-")
    ]
