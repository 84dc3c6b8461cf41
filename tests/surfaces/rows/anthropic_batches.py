"""Message batches: what messages have, once for each request and each result."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body
from tests.surfaces.rows import anthropic_messages as messages

PATH = "/v1/messages/batches"
RESULTS = Asked(f"{PATH}/b1/results", method="GET", content_type="")
OTHER = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


def batched(asked: Asked) -> Asked:
    """The same request as the second of a batch."""
    requests = [
        {"custom_id": "a", "params": OTHER},
        {"custom_id": "b", "params": json.loads(asked.body)},
    ]
    return replace(asked, path=PATH, body=body({"requests": requests}))


def result(told: Told) -> Told:
    """The same answer as the second line of a batch's results."""
    failed = {"type": "errored", "error": {"type": "error", "error": {"message": "No."}}}
    done = {"type": "succeeded", "message": json.loads(told.body)}
    lines = [{"custom_id": "a", "result": failed}, {"custom_id": "b", "result": done}]
    return replace(told, asked=RESULTS, body=b"\n".join(map(body, lines)) + b"\n")


def all_of(places: Any, change: Any) -> Any:
    return {
        surface: {name: change(place) for name, place in named.items()}
        for surface, named in places.items()
    }


ROW = Row(
    provider="anthropic",
    requests={
        **all_of(messages.ROW.requests, batched),
        Surface.USER: {
            **all_of(messages.ROW.requests, batched)[Surface.USER],
            "custom_id": Asked(
                PATH, body({"requests": [{"custom_id": PROBE, "params": OTHER}]}), readonly=True
            ),
        },
    },
    answers=all_of(messages.ROW.answers, result),
    lacks={
        **messages.ROW.lacks,
        "streams": dict.fromkeys([surface.value for surface in Surface], "never streamed"),
    },
)
