"""Anthropic's files: texts, and what a file is called."""

from __future__ import annotations

from dataclasses import replace

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Row, Told, body
from tests.surfaces.rows.openai_files import form, held

_OTHERS = {surface.value for surface in Surface} - {"user"}

ROW = Row(
    provider="anthropic",
    requests={
        Surface.USER: {
            "text": form(f"Notes on {PROBE}.".encode(), name="notes.txt", purpose=""),
            "lines": form(body({"note": PROBE}) + b"\n", name="data.jsonl", purpose=""),
            "name": replace(form(b"Hello", name=f"{PROBE}.txt", purpose=""), readonly=True),
        }
    },
    answers={
        Surface.OUTPUT: {"text": held(PROBE.encode()), "lines": held(body({"note": PROBE}))},
        Surface.USER: {
            "told_of_an_upload": Told(
                form(b"x", name="a.txt", purpose=""), body({"type": "file", "filename": PROBE})
            )
        },
    },
    lacks={
        "requests": dict.fromkeys(_OTHERS, "a file is the user's"),
        "answers": dict.fromkeys(_OTHERS - {"output"}, "what a file gives back is `output`"),
        "streams": dict.fromkeys([surface.value for surface in Surface], "never streamed"),
    },
)
