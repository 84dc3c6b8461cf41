"""The keyed digest by which credentials, sessions and answers are known."""

from __future__ import annotations

from functools import lru_cache

from gateway.keyed import Keyed

LENGTH = 32
"""Hex digits that are kept of the HMAC: 128 bits."""


def mac(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 (RFC 2104) over parts that cannot run into each other, cut to `LENGTH`."""
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    return _keyed(key).hex(joined.encode("utf-8", "surrogatepass"))[:LENGTH]


_keyed = lru_cache(maxsize=16)(Keyed)
