"""What Google's own SDK makes of a streamed answer."""

from __future__ import annotations

from typing import Any

import httpx
from google import genai
from google.genai import types

ASKED = "Hello"


def gemini_chunks(raw: bytes) -> list[types.GenerateContentResponse]:
    """The chunks that google-genai gives. Raises its errors."""
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    options = types.HttpOptions(base_url="http://gateway.test", httpx_client=http)
    client = genai.Client(api_key="k", http_options=options)
    chunks = list(client.models.generate_content_stream(model="gemini", contents=ASKED))
    assert len(asked) == 1
    return chunks


def heard(chunks: list[types.GenerateContentResponse]) -> tuple[str, list[tuple[str, Any]]]:
    """The text and the calls of the first candidate, as an agent adds them up."""
    text, calls = "", []
    for chunk in chunks:
        for candidate in (chunk.candidates or [])[:1]:
            for part in (candidate.content and candidate.content.parts) or []:
                if part.text and not part.thought:
                    text += part.text
                if part.function_call and part.function_call.name:
                    calls.append((part.function_call.name, part.function_call.args))
    return text, calls
