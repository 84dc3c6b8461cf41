"""The start of a batch: what its requests hold was read when their file came."""

from __future__ import annotations

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body

START = {"input_file_id": "file_1", "endpoint": "/v1/responses", "completion_window": "24h"}
NOTED = body({"id": "batch_1", "object": "batch", "metadata": {"note": PROBE}})
_OTHERS = {surface.value for surface in Surface} - {"user"}

ROW = Row(
    provider="openai",
    requests={
        Surface.USER: {
            "metadata": Asked("/v1/batches", body({**START, "metadata": {"note": PROBE}})),
            "unknown_field": Asked("/v1/batches", body({**START, "x_note": PROBE})),
        }
    },
    answers={Surface.USER: {"metadata": Told(Asked("/v1/batches", body(START)), NOTED)}},
    lacks={
        "requests": dict.fromkeys(_OTHERS, "the requests are in the file: see openai_files"),
        "answers": dict.fromkeys(_OTHERS, "no model has written in it: see openai_files"),
        "streams": dict.fromkeys([surface.value for surface in Surface], "never streamed"),
    },
)
