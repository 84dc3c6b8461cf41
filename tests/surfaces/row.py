"""What a dialect's row says: where in its bodies each surface stands.

Every text of a row holds `PROBE` once (or cut over several events of a stream), at a place that
belongs to one surface. `tests/surfaces/test_every_surface.py` puts a rule on that surface and
asks whether it was seen there, nowhere else, and could be taken out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import Surface

PROBE = "quokka-4417"


def body(value: Any) -> bytes:
    """A JSON body."""
    return json.dumps(value).encode()


def sse(*payloads: Any, named: bool = False) -> bytes:
    """A stream of server-sent events; `named` takes each event's name from its `type`."""
    lines = []
    for payload in payloads:
        if named:
            lines.append(f"event: {payload['type']}\n")
        data = payload if isinstance(payload, str) else json.dumps(payload)
        lines.append(f"data: {data}\n\n")
    return "".join(lines).encode()


@dataclass(frozen=True)
class Asked:
    """A request. `readonly`: rules may see the probe there, but never rewrite it."""

    path: str
    body: bytes = b""
    method: str = "POST"
    content_type: str = "application/json"
    readonly: bool = False


@dataclass(frozen=True)
class Told:
    """A whole answer or a stream, and the request that it answers."""

    asked: Asked
    body: bytes
    content_type: str = "application/json"
    readonly: bool = False


@dataclass(frozen=True)
class Row:
    """One dialect: places by surface, each with a name of its own.

    Attributes:
        lacks: `requests`, `answers` or `streams`, then the surfaces that such a body of this
            dialect cannot have, and why.
        upstream: further options of the upstream in the policy file.
    """

    provider: str
    requests: Mapping[Surface, Mapping[str, Asked]] = field(default_factory=dict)
    answers: Mapping[Surface, Mapping[str, Told]] = field(default_factory=dict)
    streams: Mapping[Surface, Mapping[str, Told]] = field(default_factory=dict)
    lacks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    upstream: Mapping[str, Any] = field(default_factory=dict)
