"""The Gemini API, in both spellings of its fields and both framings of its streams."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

MODEL = "/v1beta/models/gemini-2.5-flash"
WHOLE = f"{MODEL}:generateContent"
ARRAY = f"{MODEL}:streamGenerateContent"
EVENTS = f"{ARRAY}?alt=sse"
HALF = len(PROBE) // 2
CUT = (PROBE[:HALF], PROBE[HALF:])
USER = {"role": "user", "parts": [{"text": "Go on"}]}
ONLY_NOW = "an answer holds only what the model says now, and what its provider's tools gave"
CALL = {"functionCall": {"name": "read", "args": {"path": PROBE}}}
CODE = {"executableCode": {"language": "PYTHON", "code": f"print('{PROBE}')"}}
RAN = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": PROBE}}
FOUND = {"groundingChunks": [{"web": {"uri": "https://a.test/", "title": PROBE}}]}


def asked(*contents: Any, path: str = WHOLE, readonly: bool = False, **more: Any) -> Asked:
    return Asked(path, body({"contents": contents or [USER], **more}), readonly=readonly)


def user(*parts: Any) -> Asked:
    return asked({"role": "user", "parts": parts})


def turn(*parts: Any, readonly: bool = False) -> Asked:
    """An earlier answer of the model, then a question."""
    return asked(USER, {"role": "model", "parts": parts}, USER, readonly=readonly)


def result(response: Any, key: str = "functionResponse") -> Asked:
    call = {"role": "model", "parts": [{"functionCall": {"name": "read", "args": {}}}]}
    answer = {"role": "user", "parts": [{key: {"name": "read", "response": response}}]}
    return asked(USER, call, answer)


def tool(**declaration: Any) -> Asked:
    return asked(tools=[{"functionDeclarations": [{"name": "read", **declaration}]}])


def candidate(parts: Any, finish: str = "", **more: Any) -> dict[str, Any]:
    made = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
    return {"candidates": [{**made, "finishReason": finish} if finish else made]}


USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}


def answered(*parts: Any, readonly: bool = False, **more: Any) -> Told:
    sent = {**candidate(parts, "STOP", **more), "usageMetadata": USAGE}
    return Told(asked(), body(sent), readonly=readonly)


def chunks(*pieces: Any, **more: Any) -> list[dict[str, Any]]:
    last = {**candidate([{"text": ""}], "STOP", **more), "usageMetadata": USAGE}
    return [*(candidate([piece]) for piece in pieces), last]


def events(*pieces: Any, readonly: bool = False, **more: Any) -> Told:
    raw = sse(*chunks(*pieces, **more))
    return Told(asked(path=EVENTS), raw, "text/event-stream", readonly=readonly)


def array(*pieces: Any) -> Told:
    sent = [json.dumps(chunk, indent=2) for chunk in chunks(*pieces)]
    return Told(asked(path=ARRAY), ("[" + "\n,\r\n".join(sent) + "\n]\n").encode())


def thought(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "thought": True, **more}


PIECES = [{"functionCall": {"name": "read", "willContinue": True}}] + [
    {
        "functionCall": {
            "partialArgs": [{"jsonPath": "$.path", "stringValue": cut, "willContinue": True}],
            "willContinue": True,
        }
    }
    for cut in CUT
]

ROW = Row(
    provider="gemini",
    requests={
        Surface.SYSTEM: {
            "content": asked(systemInstruction={"parts": [{"text": f"Never say {PROBE}."}]}),
            "snake case": asked(system_instruction={"parts": {"text": PROBE}}),
        },
        Surface.USER: {
            "text": user({"text": f"Hello {PROBE}"}),
            "no role": asked({"parts": [{"text": PROBE}]}),
            "one content, one part": Asked(WHOLE, body({"contents": {"parts": {"text": PROBE}}})),
            "thought": user(thought(PROBE)),
            "transcript": user({"audioTranscription": {"text": PROBE}}),
            "name of a file": user({"file_data": {"file_uri": "gs://a/b", "display_name": PROBE}}),
            "unknown part": user({"somethingNew": {"words": PROBE}}),
            "labels": asked(labels={"case": PROBE}),
            "stop": asked(generation_config={"stop_sequences": [PROBE]}),
            "counted": Asked(
                f"{MODEL}:countTokens",
                body({"generateContentRequest": {"contents": [{"parts": [{"text": PROBE}]}]}}),
            ),
            "embedded": Asked(
                f"{MODEL}:embedContent", body({"content": {"parts": [{"text": PROBE}]}})
            ),
            "embedded together": Asked(
                f"{MODEL}:batchEmbedContents",
                body({"requests": [{"content": {"parts": [{"text": PROBE}]}}]}),
            ),
            "cached": Asked(
                "/v1beta/cachedContents",
                body(
                    {"model": "models/gemini-2.5-flash", "contents": [{"parts": [{"text": PROBE}]}]}
                ),
            ),
            "batched": Asked(
                f"{MODEL}:batchGenerateContent",
                body(
                    {
                        "batch": {
                            "input_config": {
                                "requests": {
                                    "requests": [
                                        {"request": {"contents": [{"parts": [{"text": PROBE}]}]}}
                                    ]
                                }
                            }
                        }
                    }
                ),
            ),
            "vertex": Asked(
                "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro"
                ":generateContent",
                body({"contents": [{"role": "USER", "parts": [{"text": PROBE}]}]}),
            ),
        },
        Surface.ASSISTANT: {
            "text": turn({"text": PROBE}),
            "signed": turn({"text": PROBE, "thoughtSignature": "c2ln"}),
        },
        Surface.TOOL_CALL: {
            "args": turn(CALL),
            "snake case": turn({"function_call": {"name": "read", "args": {"path": PROBE}}}),
            "code": turn(CODE),
            "provider's": turn({"toolCall": {"toolType": "URL_CONTEXT", "args": {"u": PROBE}}}),
        },
        Surface.TOOL_RESULT: {
            "response": result({"result": f"It says {PROBE}."}),
            "snake case": result({"result": [PROBE]}, "function_response"),
            "code": turn(RAN),
            "provider's": turn({"toolResponse": {"response": {"page": PROBE}}}),
        },
        Surface.TOOL_DEFINITION: {
            "description": tool(description=PROBE),
            "schema": tool(parametersJsonSchema={"properties": {"a": {"description": PROBE}}}),
            "snake case": asked(
                tools={"function_declarations": {"name": "a", "description": PROBE}}
            ),
            "answer's schema": asked(
                generationConfig={"responseSchema": {"type": "OBJECT", "description": PROBE}}
            ),
            "provider's": asked(tools=[{"googleSearch": {"excludeDomains": [PROBE]}}]),
        },
        Surface.REASONING: {
            "thought": turn(thought(PROBE)),
            "signed": turn(thought(PROBE, thoughtSignature="c2ln"), readonly=True),
        },
    },
    answers={
        Surface.OUTPUT: {
            "text": answered({"text": f"It is {PROBE}."}),
            "signed": answered({"text": PROBE, "thoughtSignature": "c2ln"}),
            "citation": answered(
                {"text": "Yes"}, citationMetadata={"citationSources": [{"title": PROBE}]}
            ),
            "why it ended": answered({"text": "No"}, finishMessage=PROBE),
            "of a batch": Told(
                Asked("/v1beta/batches/b1", method="GET", content_type=""),
                body(
                    {
                        "response": {
                            "inlinedResponses": {
                                "inlinedResponses": [
                                    {"response": candidate([{"text": PROBE}], "STOP")}
                                ]
                            }
                        }
                    }
                ),
            ),
        },
        Surface.TOOL_CALL: {"args": answered(CALL), "code": answered(CODE)},
        Surface.TOOL_RESULT: {
            "code": answered(RAN),
            "source": answered({"text": "Yes"}, groundingMetadata=FOUND),
        },
        Surface.REASONING: {
            "thought": answered(thought(PROBE)),
            "signed": answered(thought(PROBE, thoughtSignature="c2ln"), readonly=True),
        },
    },
    streams={
        Surface.OUTPUT: {
            "text": events(*({"text": cut} for cut in CUT)),
            "signed": events({"text": CUT[0]}, {"text": CUT[1], "thoughtSignature": "c2ln"}),
            "array": array(*({"text": cut} for cut in CUT)),
        },
        Surface.TOOL_CALL: {
            "args": events(CALL),
            "args in pieces": events(*PIECES, {"functionCall": {}}),
            "args in pieces, without an end": array(*PIECES),
            "code": array(CODE),
        },
        Surface.TOOL_RESULT: {
            "code": events(RAN),
            "source": events(groundingMetadata=FOUND),
        },
        Surface.REASONING: {
            "thought": events(*(thought(cut) for cut in CUT)),
            "array": array(thought(PROBE)),
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": dict.fromkeys(("system", "user", "assistant", "tool_definition"), ONLY_NOW),
        "streams": dict.fromkeys(("system", "user", "assistant", "tool_definition"), ONLY_NOW),
    },
)
