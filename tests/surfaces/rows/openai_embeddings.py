"""Embeddings: text in, vectors out."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, body


def asked(**fields: Any) -> Asked:
    return Asked("/v1/embeddings", body({"model": "text-embedding-3-small", **fields}))


_OTHERS = {surface.value for surface in Surface} - {"user"}
_NONE = dict.fromkeys([surface.value for surface in Surface], "vectors hold no text")

ROW = Row(
    provider="openai",
    requests={
        Surface.USER: {
            "text": asked(input=PROBE),
            "list": asked(input=["Hello", PROBE]),
            "user": asked(input="Hello", user=PROBE),
            "unknown_field": asked(input="Hello", x_note={"deep": PROBE}),
        }
    },
    lacks={
        "requests": dict.fromkeys(_OTHERS, "there is no conversation, only texts"),
        "answers": _NONE,
        "streams": _NONE,
    },
)
