"""The keyed digest by which credentials, sessions and answers are known."""

from __future__ import annotations

import hmac
from functools import lru_cache

LENGTH = 32
"""Hex digits that are kept of the HMAC: 128 bits."""


def mac(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 (RFC 2104) over parts that cannot run into each other, cut to `LENGTH`."""
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    state = _keyed(key).copy()
    state.update(joined.encode("utf-8", "surrogatepass"))
    return state.hexdigest()[:LENGTH]


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> hmac.HMAC:
    """The state after the key: setting it up costs more than a digest."""
    return hmac.new(key, digestmod="sha256")
