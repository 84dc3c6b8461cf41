"""Addresses of an MCP server behind the gateway: which path of the caller is which of upstream's.

Rules of this file:
- `/{name}`, `/{name}/` and `/{name}/mcp` are exactly the configured URL, whatever that ends in.
- Beside it only what lies in the same folder is reached (the older transport posts to
  `/messages/` beside `/sse`), and the documents by which clients find a server's way of login.
- No path with dot segments, in whatever spelling, goes anywhere.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

MARK = "@sse"
"""The first part of addresses that we give out in an `endpoint` event: answers to what is posted
there come on the stream that gave it out."""

_WELL_KNOWN = re.compile(
    r"/\.well-known/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)"
)
_SLASHES = re.compile(r"[/\\]")


def upstream_path(endpoint: str, rest: str) -> str | None:
    """The path of upstream's that a caller asks for.

    Args:
        endpoint: the path of the configured URL, "" for none.
        rest: the caller's path without the upstream's name, raw, without the query.

    Returns:
        None where nothing of this server is reached by it.
    """
    endpoint = endpoint or "/"
    if rest.startswith(f"/{MARK}/"):
        rest = rest[len(MARK) + 1 :]
    plain = rest.rstrip("/")
    last = "/" + endpoint.rstrip("/").rpartition("/")[2]
    if plain in ("", endpoint.rstrip("/"), last):
        return endpoint
    if has_dots(rest):
        return None
    folder = endpoint.rstrip("/").rpartition("/")[0] + "/"
    return rest if rest.startswith(folder) or is_well_known(rest) else None


def is_well_known(path: str) -> bool:
    """Whether a path is that of a document about login (RFC 8414, RFC 9728)."""
    found = _WELL_KNOWN.match(path)
    return found is not None and path[found.end() :][:1] in ("", "/")


def well_known_of(path: str) -> tuple[str, str, str] | None:
    """The parts of a document's path at the gateway's root: the document, the upstream's name,
    and the rest of the resource's path."""
    found = _WELL_KNOWN.match(path)
    if found is None or has_dots(path):
        return None
    _, _, resource = path[found.end() :].partition("/")
    name, slash, rest = resource.partition("/")
    return (found.group(), unquote(name), slash + rest) if name else None


def is_carried(path: str) -> bool:
    """Whether a caller posts to an address that we gave out in an `endpoint` event."""
    return path.lstrip("/").partition("/")[2].startswith(f"{MARK}/")


def told_address(prefix: str, endpoint: str, address: str) -> str:
    """The address in an `endpoint` event as the caller must see it: a path of this gateway.

    Args:
        prefix: `/{name}` as the caller wrote it.
        endpoint: upstream's own path, against which `address` may be relative.
    """
    try:
        parts = urlsplit(urljoin(f"http://upstream{endpoint or '/'}", address.strip()))
    except ValueError:
        parts = urlsplit("http://upstream/")
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    return f"{prefix}/{MARK}{path}" + (f"?{parts.query}" if parts.query else "")


def has_dots(path: str) -> bool:
    """Whether a path has a segment of dots, under as many escapes as a server may undo."""
    for _ in range(4):
        parts = (part.partition(";")[0] for part in _SLASHES.split(path))
        if any(part in (".", "..") for part in parts):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        path = decoded
    return True
