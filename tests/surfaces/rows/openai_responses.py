"""The Responses API: every item of the API that holds text, in requests, answers and streams."""

from __future__ import annotations

import json
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

PATH = "/v1/responses"
HALF = len(PROBE) // 2
CUT = (PROBE[:HALF], PROBE[HALF:])
ARGUMENTS = json.dumps({"path": f"/a/{PROBE}"})
CUT_AT = ARGUMENTS.index(PROBE) + HALF
MESSAGE = {"type": "message", "role": "assistant"}


def asked(*items: Any, **more: Any) -> Asked:
    said = [{"role": "user", "content": "Hello"}, *items] if items else "Hello"
    return Asked(PATH, body({"model": "gpt-x", "input": said, **more}))


def item(kind: str, **fields: Any) -> Asked:
    """An item of an earlier turn."""
    return asked({"type": kind, **fields}, {"role": "user", "content": "Go on"})


def response(output: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": "r1", "object": "response", "model": "gpt-x", "output": output, **more}


def answered(kind: str, **fields: Any) -> Told:
    done = response([{"id": "i1", "type": kind, **fields}], status="completed")
    return Told(asked(), body(done))


def text(*parts: Any) -> dict[str, Any]:
    return {**MESSAGE, "id": "i1", "content": list(parts)}


def streamed(node: dict[str, Any], *events: dict[str, Any], done: dict[str, Any]) -> Told:
    """An item as events that build it up, and the response that repeats it."""
    whole = {**node, **done}
    payloads = [
        {"type": "response.created", "response": response([])},
        {"type": "response.output_item.added", "output_index": 0, "item": node},
        *({"output_index": 0, "item_id": "i1", **event} for event in events),
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {"type": "response.completed", "response": response([whole], status="completed")},
    ]
    return Told(asked(stream=True), sse(*payloads, named=True), "text/event-stream")


def snapshot(node: dict[str, Any]) -> Told:
    """A response that only its last event tells of."""
    payload = {"type": "response.completed", "response": response([{"id": "i1", **node}])}
    return Told(asked(stream=True), sse(payload, named=True), "text/event-stream")


def deltas(name: str, pieces: tuple[str, ...], **where: Any) -> list[dict[str, Any]]:
    return [{"type": f"response.{name}.delta", "delta": piece, **where} for piece in pieces]


def output_text(value: str) -> dict[str, Any]:
    return {"type": "output_text", "text": value, "annotations": []}


CALLED = {"call_id": "c1", "name": "read"}
FUNCTION = {"id": "i1", "type": "function_call", **CALLED}
SUMMARY = {"type": "summary_text", "text": PROBE}
TOOL = {"type": "function", "name": "read", "description": f"Reads {PROBE}.", "parameters": {}}
ACTION = {"type": "exec", "command": ["ls", PROBE]}
LISTED = {"server_label": "s", "tools": [{"name": "t", "description": PROBE}]}
SHELL_OUT = [{"stdout": PROBE, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]

CALLS: dict[str, dict[str, Any]] = {
    "function_call": {**CALLED, "arguments": ARGUMENTS},
    "custom_tool_call": {**CALLED, "input": f"see {PROBE}"},
    "local_shell_call": {"call_id": "c1", "action": ACTION},
    "shell_call": {"call_id": "c1", "action": {"commands": [f"ls {PROBE}"]}},
    "apply_patch_call": {"call_id": "c1", "operation": {"type": "create_file", "diff": PROBE}},
    "computer_call": {"call_id": "c1", "action": {"type": "type", "text": PROBE}},
    "mcp_call": {"name": "t", "server_label": "s", "arguments": ARGUMENTS},
    "mcp_approval_request": {"name": "t", "server_label": "s", "arguments": ARGUMENTS},
    "web_search_call": {"action": {"type": "search", "query": PROBE}},
    "file_search_call": {"queries": [PROBE]},
    "code_interpreter_call": {"code": f"print('{PROBE}')", "container_id": "x"},
    "tool_search_call": {"arguments": {"query": PROBE}},
    "program": {"call_id": "c1", "code": f"await read('{PROBE}')"},
}
RESULTS: dict[str, dict[str, Any]] = {
    "mcp_call": {"name": "t", "server_label": "s", "arguments": "{}", "output": PROBE},
    "file_search_call": {"queries": ["q"], "results": [{"text": PROBE, "file_id": "f"}]},
    "code_interpreter_call": {"code": "1", "outputs": [{"type": "logs", "logs": PROBE}]},
    "program_output": {"call_id": "c1", "result": PROBE},
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "function_call_output": {"output": f"It says {PROBE}."},
    "custom_tool_call_output": {"output": [{"type": "input_text", "text": PROBE}]},
    "local_shell_call_output": {"output": PROBE},
    "shell_call_output": {"output": SHELL_OUT},
    "apply_patch_call_output": {"output": PROBE, "status": "completed"},
    "computer_call_output": {
        "output": {"type": "computer_screenshot", "image_url": f"https://x.test/{PROBE}"}
    },
}

ROW = Row(
    provider="openai",
    requests={
        Surface.SYSTEM: {
            "instructions": asked(instructions=PROBE),
            "developer": asked({"role": "developer", "content": PROBE}),
        },
        Surface.USER: {
            "input": Asked(PATH, body({"model": "gpt-x", "input": f"Hello {PROBE}"})),
            "parts": asked({"role": "user", "content": [{"type": "input_text", "text": PROBE}]}),
            "variables": asked(prompt={"id": "p", "variables": {"name": PROBE}}),
            "approval": item("mcp_approval_response", approval_request_id="a", reason=PROBE),
            "unknown_item": item("new_item", text=PROBE),
            "unknown_field": asked(x_note=f"see {PROBE}"),
            "counted": Asked(f"{PATH}/input_tokens", body({"model": "gpt-x", "input": PROBE})),
            "compacted": Asked(f"{PATH}/compact", body({"model": "gpt-x", "input": PROBE})),
        },
        Surface.ASSISTANT: {
            "message": asked({**MESSAGE, "content": PROBE}),
            "refusal": asked({**MESSAGE, "content": [{"type": "refusal", "refusal": PROBE}]}),
        },
        Surface.TOOL_CALL: {name: item(name, **fields) for name, fields in CALLS.items()},
        Surface.TOOL_RESULT: {
            **{name: item(name, call_id="c1", **fields) for name, fields in OUTPUTS.items()},
            **{name: item(name, **fields) for name, fields in RESULTS.items()},
        },
        Surface.TOOL_DEFINITION: {
            "tools": asked(tools=[TOOL]),
            "namespace": asked(tools=[{"type": "namespace", "name": "crm", "tools": [TOOL]}]),
            "mcp": asked(tools=[{"type": "mcp", "server_label": "s", "server_description": PROBE}]),
            "additional_tools": item("additional_tools", tools=[TOOL]),
            "mcp_list_tools": item("mcp_list_tools", **LISTED),
            "format": asked(text={"format": {"type": "json_schema", "description": PROBE}}),
        },
        Surface.REASONING: {
            "summary": item("reasoning", summary=[SUMMARY]),
            "content": item(
                "reasoning", summary=[], content=[{"type": "reasoning_text", "text": PROBE}]
            ),
        },
    },
    answers={
        Surface.OUTPUT: {
            "text": answered("message", role="assistant", content=[output_text(PROBE)]),
            "refusal": answered("message", content=[{"type": "refusal", "refusal": PROBE}]),
            "revised_prompt": answered("image_generation_call", revised_prompt=PROBE),
            "unknown_item": answered("new_item", text=PROBE),
        },
        Surface.TOOL_CALL: {name: answered(name, **fields) for name, fields in CALLS.items()},
        Surface.TOOL_RESULT: {name: answered(name, **fields) for name, fields in RESULTS.items()},
        Surface.TOOL_DEFINITION: {"mcp_list_tools": answered("mcp_list_tools", **LISTED)},
        Surface.REASONING: {"summary": answered("reasoning", summary=[SUMMARY])},
    },
    streams={
        Surface.OUTPUT: {
            "text": streamed(
                text(),
                *deltas("output_text", CUT, content_index=0),
                {"type": "response.output_text.done", "content_index": 0, "text": PROBE},
                done={"content": [output_text(PROBE)]},
            ),
            "refusal": streamed(
                text(),
                *deltas("refusal", CUT, content_index=0),
                done={"content": [{"type": "refusal", "refusal": PROBE}]},
            ),
            "only_at_the_end": snapshot(text(output_text(PROBE))),
        },
        Surface.TOOL_CALL: {
            "function_call": streamed(
                {**FUNCTION, "arguments": ""},
                *deltas("function_call_arguments", (ARGUMENTS[:CUT_AT], ARGUMENTS[CUT_AT:])),
                {"type": "response.function_call_arguments.done", "arguments": ARGUMENTS},
                done={"arguments": ARGUMENTS},
            ),
            "custom_tool_call": streamed(
                {"id": "i1", "type": "custom_tool_call", **CALLED, "input": ""},
                *deltas("custom_tool_call_input", CUT),
                done={"input": PROBE},
            ),
            "code_interpreter_call": streamed(
                {"id": "i1", "type": "code_interpreter_call", "code": ""},
                *deltas("code_interpreter_call_code", CUT),
                done={"code": PROBE},
            ),
            "web_search_call": streamed(
                {"id": "i1", "type": "web_search_call"}, done=CALLS["web_search_call"]
            ),
            "only_at_the_end": snapshot({**FUNCTION, "arguments": ARGUMENTS}),
        },
        Surface.TOOL_RESULT: {
            name: streamed({"id": "i1", "type": name}, done=fields)
            for name, fields in RESULTS.items()
        },
        Surface.TOOL_DEFINITION: {
            "mcp_list_tools": streamed({"id": "i1", "type": "mcp_list_tools"}, done=LISTED)
        },
        Surface.REASONING: {
            "summary": streamed(
                {"id": "i1", "type": "reasoning", "summary": []},
                *deltas("reasoning_summary_text", CUT, summary_index=0),
                done={"summary": [SUMMARY]},
            ),
            "content": streamed(
                {"id": "i1", "type": "reasoning", "summary": []},
                *deltas("reasoning_text", CUT, content_index=0),
                done={"content": [{"type": "reasoning_text", "text": PROBE}]},
            ),
        },
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "answers": dict.fromkeys(
            ("system", "user", "assistant"), "what an answer repeats of its own request was read"
        ),
        "streams": dict.fromkeys(
            ("system", "user", "assistant"), "what an answer repeats of its own request was read"
        ),
    },
)
