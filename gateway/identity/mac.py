"""The keyed digest by which credentials, sessions and answers are known."""

from __future__ import annotations

import json
from functools import lru_cache

import orjson

from gateway.keyed import Keyed

LENGTH = 32
"""Hex digits that are kept of the HMAC: 128 bits."""


def mac(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 (RFC 2104) over the parts as a JSON list, in which they cannot run into each
    other, cut to `LENGTH`."""
    try:
        joined = orjson.dumps(parts)
    except TypeError:  # a lone surrogate
        joined = json.dumps(parts).encode()
    return _keyed(key).hex(joined)[:LENGTH]


_keyed = lru_cache(maxsize=16)(Keyed)
