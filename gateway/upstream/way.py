"""How an upstream is reached: its base URL, the certificates for it, a proxy on the way out."""

from __future__ import annotations

import base64
import functools
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.config.urls import split_url
from gateway.tls import Pems, client_context

_EXPECTED = 'expected a proxy, such as "http://proxy.internal:3128"'


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `authorization` is the value of `Proxy-Authorization`, or empty."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Way:
    """Two calls with equal ways may share connections.

    Attributes:
        base: the upstream's URL without a trailing slash.
        pems: whom it must be signed by and who we are; None: the system's authorities, nobody.
    """

    base: str
    proxy: Proxy | None = None
    pems: Pems | None = None


def parse_proxy(value: object) -> Proxy:
    """`http://[USER:PASSWORD@]HOST:PORT`. The error never shows what stood there."""
    if isinstance(value, Proxy):
        return value
    parts = split_url(value)
    if parts is None:
        raise ValueError(_EXPECTED)
    if parts.scheme == "https":
        raise ValueError(f"a proxy that itself speaks TLS is not supported: {_EXPECTED}")
    host, port = parts.hostname, parts.port
    if not host or not port:
        raise ValueError(f"{_EXPECTED}, with its port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{_EXPECTED}, without a path")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        if not pair.isprintable():
            raise ValueError("no control character can stand in a proxy's user or password")
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(host, port, authorization)


@functools.lru_cache(maxsize=256)
def context_of(pems: Pems) -> ssl.SSLContext:
    """The context of these certificates, made once. Raises TlsError."""
    return client_context(pems)
