"""Legacy completions: a prompt in, text out."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

PATH = "/v1/completions"
HALF = len(PROBE) // 2


def asked(**fields: Any) -> Asked:
    return Asked(PATH, body({"model": "gpt-3.5-turbo-instruct", "prompt": "Hello", **fields}))


def answered(**choice: Any) -> Told:
    made = {"index": 0, "text": "", "finish_reason": "stop", **choice}
    return Told(asked(), body({"id": "c1", "object": "text_completion", "choices": [made]}))


def streamed(*choices: Any) -> Told:
    chunks = [{"id": "c1", "choices": [{"index": 0, **choice}]} for choice in choices]
    last = {"id": "c1", "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
    return Told(asked(stream=True), sse(*chunks, last, "[DONE]"), "text/event-stream")


_NO_ROLES = "a prompt has no roles"
_ONLY_TEXT = "an answer is text only"
_ANSWERS = dict.fromkeys(
    ("system", "user", "assistant", "tool_call", "tool_result", "tool_definition"), _ONLY_TEXT
)

ROW = Row(
    provider="openai",
    requests={
        Surface.USER: {
            "prompt": asked(prompt=f"Say {PROBE}"),
            "prompts": asked(prompt=["Say", f"the word {PROBE}"]),
            "suffix": asked(suffix=f"and {PROBE}"),
            "stop": asked(stop=[PROBE]),
            "unknown_field": asked(x_note=f"see {PROBE}"),
        },
    },
    answers={
        Surface.OUTPUT: {
            "text": answered(text=f"It is {PROBE}."),
            "logprobs": answered(text=PROBE, logprobs={"tokens": [PROBE], "text_offset": [0]}),
            "unknown_field": answered(x_note=PROBE),
        },
        Surface.REASONING: {"reasoning": answered(reasoning=f"I think of {PROBE}")},
    },
    streams={
        Surface.OUTPUT: {
            "text": streamed({"text": f"a {PROBE[:HALF]}"}, {"text": f"{PROBE[HALF:]} b"}),
            "logprobs": streamed({"text": PROBE, "logprobs": {"tokens": [PROBE]}}),
            "unknown_field": streamed({"text": "", "x_note": PROBE}),
        },
        Surface.REASONING: {"reasoning": streamed({"text": "", "reasoning": PROBE})},
    },
    lacks={
        "requests": {
            surface.value: _NO_ROLES for surface in Surface if surface is not Surface.USER
        },
        "answers": _ANSWERS,
        "streams": _ANSWERS,
    },
)
