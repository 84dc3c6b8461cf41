"""Files: a batch's requests and results line by line, texts, and what a file is called."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body
from tests.surfaces.rows import openai_chat, openai_embeddings, openai_responses

FORM = "multipart/form-data; boundary=b0undary"
CONTENT = Asked("/v1/files/file_1/content", method="GET", content_type="")
OTHER = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def form(content: bytes, *, name: str = "in.jsonl", purpose: str = "batch") -> Asked:
    fields = (
        ('name="purpose"', purpose.encode()),
        (f'name="file"; filename="{name}"\r\nContent-Type: application/octet-stream', content),
    )
    parts = [
        f"--b0undary\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in fields
    ]
    return Asked("/v1/files", b"".join(parts) + b"--b0undary--\r\n", content_type=FORM)


def line(url: str, request: Any) -> bytes:
    return body({"custom_id": "a", "method": "POST", "url": url, "body": request}) + b"\n"


def batched(asked: Asked) -> Asked:
    """The same request as the second line of a batch's input."""
    lines = line(openai_chat.PATH, OTHER) + line(asked.path, json.loads(asked.body))
    return replace(form(lines), readonly=asked.readonly)


def result(told: Told, kind: str) -> Told:
    """The same answer as the second line of a batch's output."""
    answer = {**json.loads(told.body), "object": kind}
    lines = [
        {"id": "b1", "custom_id": "a", "response": None, "error": {"code": "x", "message": "No."}},
        {"id": "b2", "custom_id": "b", "response": {"status_code": 200, "body": answer}},
    ]
    return replace(told, asked=CONTENT, body=b"\n".join(map(body, lines)) + b"\n")


def requests(surface: Surface) -> dict[str, Asked]:
    found = {}
    for row in (openai_chat, openai_responses, openai_embeddings):
        for name, place in row.ROW.requests.get(surface, {}).items():
            if not place.path.endswith(("/input_tokens", "/compact")):
                found[f"{row.__name__.rpartition('.')[2]}_{name}"] = batched(place)
    return found


def answers(surface: Surface) -> dict[str, Told]:
    found = {}
    for row, kind in ((openai_chat, "chat.completion"), (openai_responses, "response")):
        for name, place in row.ROW.answers.get(surface, {}).items():
            found[f"{kind}_{name}"] = result(place, kind)
    return found


def held(content: bytes) -> Told:
    return Told(CONTENT, content, "application/octet-stream")


ASKED = (Surface.SYSTEM, Surface.ASSISTANT, Surface.TOOL_CALL, Surface.TOOL_RESULT)
GIVEN = (Surface.TOOL_CALL, Surface.TOOL_RESULT, Surface.TOOL_DEFINITION, Surface.REASONING)

ROW = Row(
    provider="openai",
    requests={
        **{surface: requests(surface) for surface in ASKED},
        Surface.TOOL_DEFINITION: requests(Surface.TOOL_DEFINITION),
        Surface.REASONING: requests(Surface.REASONING),
        Surface.USER: {
            **requests(Surface.USER),
            "text": form(f"Notes on {PROBE}.".encode(), name="notes.md", purpose="user_data"),
            "json": form(body({"note": [PROBE]}), name="notes.json", purpose="user_data"),
            "examples": form(
                body({"messages": [{"role": "user", "content": PROBE}]}), purpose="fine-tune"
            ),
            "unknown_url": form(line("/v1/new", {"input": PROBE})),
            "name": replace(form(b"Hello", name=f"{PROBE}.txt", purpose=""), readonly=True),
            "no_form": Asked("/v1/vector_stores/vs_1/files", body({"attributes": {"a": PROBE}})),
        },
    },
    answers={
        **{surface: answers(surface) for surface in GIVEN},
        Surface.OUTPUT: {
            **answers(Surface.OUTPUT),
            "text": held(f"Notes on {PROBE}.\n".encode()),
            "lines": held(body({"note": PROBE}) + b"\n" + body({"note": "b"})),
        },
        Surface.USER: {
            "told_of_an_upload": Told(form(b"{}"), body({"object": "file", "filename": PROBE}))
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": dict.fromkeys(("system", "assistant"), "what a file gives back is `output`"),
        "streams": dict.fromkeys([surface.value for surface in Surface], "never streamed"),
    },
)
