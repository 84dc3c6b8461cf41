"""Keys that stand in a query: `?key=...`, as Google's APIs take them.

Google's "System parameters" page has `key`, also spelled `$key`, beside the header
`x-goog-api-key`; `access_token` and `oauth_token` are those of its client libraries.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_plus

from gateway.identity.gateway_key import is_gateway_key

NAMES = frozenset({"key", "$key", "access_token", "oauth_token"})
"""Parameters that carry a key, in lower case."""

_BY_QUERY = frozenset({"gemini"})
"""Providers that take their keys in a query. Elsewhere such a name may mean anything, so there only
a gateway key is one."""


def query_keys(target: str, provider: str) -> list[str]:
    """The keys in the query of a target (path and query), as the caller meant them."""
    _, mark, query = target.partition("?")
    if not mark or not _may_hold_keys(query, provider):
        return []
    return [value for _, value, is_key in _read(query, provider) if is_key and value]


def without_keys(target: str, provider: str, *, upstream_has_credential: bool) -> str:
    """The target that upstream sees. A gateway key never goes there, and where the upstream has a
    credential of its own, no key of the caller's; every other byte stays as it came."""
    path, mark, query = target.partition("?")
    if not mark or not _may_hold_keys(query, provider):
        return target
    kept = [
        piece
        for piece, value, is_key in _read(query, provider)
        if not is_key or not (upstream_has_credential or is_gateway_key(value))
    ]
    rest = "&".join(kept)
    if rest == query:
        return target
    return f"{path}?{rest}" if rest else path


def _may_hold_keys(query: str, provider: str) -> bool:
    return provider in _BY_QUERY or "ptc_" in query or "%" in query


def _read(query: str, provider: str) -> Iterator[tuple[str, str, bool]]:
    """Each parameter as it stands, its value, and whether that is a key."""
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        value = unquote_plus(value).strip()
        named = unquote_plus(name).strip().lower() in NAMES
        yield piece, value, named and (provider in _BY_QUERY or is_gateway_key(value))
