"""ClientHellos as OpenSSL writes them, and how to cut and frame them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence


def client_hello(host: str | None) -> bytes:
    """The first bytes that a TLS client sends which wants `host`; None: it names none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("nobody answered, and the handshake is done")


def records(message: bytes, sizes: Sequence[int]) -> bytes:
    """A handshake message in records of these sizes; the last takes the rest."""
    out, at = b"", 0
    for size in (*sizes, len(message)):
        piece = message[at : at + size]
        at += size
        if piece:
            out += b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
    return out
