"""Whatever Google or a caller sends: nothing breaks the dialect, and what leaves is JSON.

Requests, answers and streams made of the format's own fields in wrong places, in both spellings.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Answer, Call, Frame, PartKind
from gateway.dialects.gemini import Gemini
from gateway.dialects.gemini_stream import GeminiStream
from gateway.dialects.json_array import ArrayReader
from gateway.dialects.sse import EventReader
from gateway.errors import GatewayError
from gateway.message import Headers, Request

GEMINI = Gemini()
METHODS = (
    "generateContent streamGenerateContent countTokens embedContent batchEmbedContents "
    "batchGenerateContent"
).split()
FIELDS = (
    "contents role parts text thought thoughtSignature inlineData inline_data fileData args id "
    "name functionCall function_call partialArgs willContinue jsonPath stringValue response "
    "functionResponse executableCode code codeExecutionResult output toolCall toolResponse "
    "toolType tools generationConfig maxOutputTokens candidateCount responseSchema cachedContent "
    "candidates content index finishReason groundingMetadata usageMetadata promptTokenCount "
    "model requests request batch inputConfig generateContentRequest weird"
).split()
WORDS = st.sampled_from(["model", "user", "STOP", "$.a.b[0]", "OBJECT", "x", ""])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**9) | st.floats(0, 9) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=8,
)
PARTS = (
    "text thought thoughtSignature inlineData function_call functionCall functionResponse "
    "executableCode codeExecutionResult toolCall toolResponse weird"
).split()
PART = st.dictionaries(st.sampled_from(PARTS), VALUES, min_size=1, max_size=3)
CONTENT = VALUES | st.fixed_dictionaries(
    {"parts": st.lists(PART, max_size=3) | PART | VALUES}, optional={"role": WORDS}
)
CANDIDATE = VALUES | st.fixed_dictionaries(
    {"content": CONTENT},
    optional={"finishReason": st.just("STOP"), "index": st.integers(0, 2), "weird": VALUES},
)
CHUNK = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATE, max_size=2) | CANDIDATE},
    optional={"usageMetadata": VALUES, "promptFeedback": VALUES},
)
FUNCTION = VALUES | st.dictionaries(
    st.sampled_from(["name", "description", "parameters"]), VALUES, max_size=3
)
TOOL = VALUES | st.dictionaries(
    st.sampled_from(["functionDeclarations", "function_declarations", "googleSearch"]),
    st.lists(FUNCTION, max_size=2) | FUNCTION,
    max_size=3,
)
CHOICE = {"functionCallingConfig": st.fixed_dictionaries({"allowedFunctionNames": VALUES})}
BODY = st.fixed_dictionaries(
    {"contents": st.lists(CONTENT, max_size=3) | CONTENT},
    optional={
        "tools": st.lists(TOOL, max_size=2) | TOOL,
        "toolConfig": st.fixed_dictionaries(CHOICE) | VALUES,
        "systemInstruction": CONTENT,
        "generationConfig": VALUES,
    },
)
BATCH = BODY.map(lambda body: {"batch": {"inputConfig": {"requests": [{"request": body}]}}})


def decode(method: str, body: Any) -> Call | None:
    raw = json.dumps(body).encode()
    path = f"/v1beta/models/gemini-2.5-flash:{method}"
    try:
        call = GEMINI.decode(Request("POST", path, Headers(), raw), raw)
    except GatewayError:  # refused, with a reason
        return None
    assert call.encode() == raw
    return call


def rewrite(held: Call | Answer) -> None:
    for segment in list(held.segments):
        if not segment.readonly:
            segment.replace("Z")


@settings(max_examples=150)
@given(BODY | BATCH, st.sampled_from(METHODS))
def test_any_request_is_read_changed_and_written(body: Any, method: str) -> None:
    call = decode(method, body)
    if call is None:
        return
    assert call.input_bound() >= -1
    assert call.input_estimate() >= 0
    for each in call.members or (call,):
        each.remove_tools(frozenset(tool.name for tool in each.tools))
        each.set_max_output(5)
        each.force_field("temperature", 1)
    call.gather()
    rewrite(call)
    json.loads(call.encode())


@settings(max_examples=150)
@given(CHUNK, st.randoms())
def test_any_answer_is_read_changed_and_written(chunk: Any, chance: Random) -> None:
    call = decode("generateContent", {"contents": []})
    assert call is not None
    raw = json.dumps(chunk).encode()
    answer = GEMINI.decode_answer(call, raw)
    assert answer.encode() == raw
    rewrite(answer)
    for made in list(answer.tool_calls):
        if chance.random() < 0.5:
            answer.replace_arguments(made.key, '{"a":1}')
    answer.remove_tool_calls(
        frozenset(made.key for made in answer.tool_calls if chance.random() < 0.5), "No."
    )
    json.loads(answer.encode())


def decide(stream: GeminiStream, frames: list[Frame], chance: Random) -> None:
    for frame in frames:
        for part in frame.parts:
            if part.kind is PartKind.TEXT and not part.readonly and chance.random() < 0.5:
                part.text, frame.changed = "Z", True
            elif part.kind is PartKind.TOOL_END and chance.random() < 0.4:
                stream.remove_tool(part.lane, "No.")
            elif part.kind is PartKind.TOOL_END and chance.random() < 0.5:
                stream.replace_arguments(part.lane, '{"b":2}')


@settings(max_examples=150)
@given(st.lists(CHUNK, max_size=4), st.booleans(), st.randoms())
def test_any_stream_is_read_changed_and_written(
    chunks: list[Any], array: bool, chance: Random
) -> None:
    said = [json.dumps(chunk).encode() for chunk in chunks]
    raw = b"[" + b",".join(said) + b"]" if array else b"".join(b"data: %b\n\n" % s for s in said)
    reader = ArrayReader() if array else EventReader()
    stream = GeminiStream()
    try:
        frames = [stream.read(event) for event in [*reader.feed(raw), *reader.end()]]
    except GatewayError:  # a call that goes on after its end
        return
    decide(stream, frames, chance)
    out = b"".join(stream.write(frame) for frame in frames)
    for text in [out] if array else [line[6:] for line in out.splitlines() if line]:
        json.loads(text)
