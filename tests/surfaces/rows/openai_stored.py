"""What OpenAI keeps: a response by its id, the input of it, a conversation, a chat completion."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse
from tests.surfaces.rows import openai_responses as responses

ITEMS = "/v1/conversations/conv_1/items"
GET = Asked("/v1/responses/r1", method="GET", content_type="")
STREAM = replace(GET, path="/v1/responses/r1?stream=true&starting_after=3")
CHAT = replace(GET, path="/v1/chat/completions/c1")
CALL = {"id": "t1", "type": "function", "function": {"name": "a", "arguments": responses.ARGUMENTS}}


def added(item: dict[str, Any]) -> Asked:
    return Asked(ITEMS, body({"items": [item]}))


def kept(told: Told) -> Told:
    """The same answer, fetched by its id."""
    return replace(told, asked=GET)


def resumed(told: Told, events: int) -> Told:
    """The same stream, taken up behind its first events."""
    pieces = told.body.split(b"\n\n")
    return replace(told, asked=STREAM, body=b"\n\n".join(pieces[events:]))


def sent(item: dict[str, Any]) -> Told:
    """An item of what a response was asked with."""
    asked = replace(GET, path="/v1/responses/r1/input_items")
    return Told(asked, body({"object": "list", "data": [{"id": "i1", **item}], "has_more": False}))


def repeated(**fields: Any) -> Told:
    return Told(GET, body(responses.response([], status="completed", **fields)))


def echoed(**fields: Any) -> Told:
    payloads = [
        {"type": kind, "response": responses.response([], **fields)}
        for kind in ("response.created", "response.completed")
    ]
    return Told(STREAM, sse(*payloads, named=True), "text/event-stream")


def completion(**message: Any) -> Told:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    made = {"id": "c1", "object": "chat.completion", "model": "gpt-4o", "choices": [choice]}
    return Told(CHAT, body(made))


def stored_message(**message: Any) -> Told:
    asked = replace(CHAT, path="/v1/chat/completions/c1/messages")
    return Told(asked, body({"object": "list", "data": [{"id": "m1", **message}]}))


def items(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"type": name, "call_id": "c1", **more} for name, more in fields.items()}


SAID = {"role": "user", "content": [{"type": "input_text", "text": PROBE}]}
SYSTEM = {"role": "developer", "content": [{"type": "input_text", "text": PROBE}]}
ANSWER = {**responses.MESSAGE, "content": [responses.output_text(PROBE)]}
THOUGHT = {"type": "reasoning", "summary": [responses.SUMMARY]}
LISTED = {"type": "mcp_list_tools", **responses.LISTED}
OF_ALL = responses.ROW.answers
TOLD = responses.ROW.streams

ROW = Row(
    provider="openai",
    requests={
        Surface.SYSTEM: {"item": added(SYSTEM)},
        Surface.USER: {
            "item": added(SAID),
            "metadata": Asked("/v1/conversations", body({"metadata": {"note": PROBE}})),
            "of_a_completion": Asked(CHAT.path, body({"metadata": {"note": PROBE}})),
        },
        Surface.ASSISTANT: {"item": added(ANSWER)},
        Surface.TOOL_CALL: {name: added(item) for name, item in items(responses.CALLS).items()},
        Surface.TOOL_RESULT: {name: added(item) for name, item in items(responses.OUTPUTS).items()},
        Surface.TOOL_DEFINITION: {"item": added(LISTED)},
        Surface.REASONING: {"item": added(THOUGHT)},
    },
    answers={
        Surface.SYSTEM: {
            "instructions": repeated(instructions=PROBE),
            "input_item": sent(SYSTEM),
            "chat": stored_message(role="system", content=PROBE),
        },
        Surface.USER: {
            "metadata": repeated(metadata={"note": PROBE}),
            "input_item": sent(SAID),
            "chat": stored_message(role="user", content=PROBE),
            "conversation": Told(
                replace(GET, path="/v1/conversations/conv_1"),
                body({"id": "conv_1", "object": "conversation", "metadata": {"note": PROBE}}),
            ),
        },
        Surface.ASSISTANT: {"input_item": sent(ANSWER)},
        Surface.TOOL_CALL: {
            **{name: kept(told) for name, told in OF_ALL[Surface.TOOL_CALL].items()},
            "chat": completion(content=None, tool_calls=[CALL]),
            **{f"input_{name}": sent(item) for name, item in items(responses.CALLS).items()},
        },
        Surface.TOOL_RESULT: {
            **{name: kept(told) for name, told in OF_ALL[Surface.TOOL_RESULT].items()},
            **{f"input_{name}": sent(item) for name, item in items(responses.OUTPUTS).items()},
        },
        Surface.TOOL_DEFINITION: {
            "tools": repeated(tools=[responses.TOOL]),
            "input_item": sent(LISTED),
        },
        Surface.REASONING: {
            **{name: kept(told) for name, told in OF_ALL[Surface.REASONING].items()},
            "input_item": sent(THOUGHT),
        },
        Surface.OUTPUT: {
            **{name: kept(told) for name, told in OF_ALL[Surface.OUTPUT].items()},
            "chat": completion(content=f"It is {PROBE}."),
            "chats": Told(
                replace(CHAT, path="/v1/chat/completions"),
                body({"object": "list", "data": [json.loads(completion(content=PROBE).body)]}),
            ),
        },
    },
    streams={
        Surface.SYSTEM: {"instructions": echoed(instructions=PROBE)},
        Surface.USER: {"metadata": echoed(metadata={"note": PROBE})},
        Surface.OUTPUT: {
            "text": resumed(TOLD[Surface.OUTPUT]["text"], 2),
            "only_at_the_end": resumed(TOLD[Surface.OUTPUT]["only_at_the_end"], 0),
        },
        Surface.TOOL_CALL: {
            "function_call": resumed(TOLD[Surface.TOOL_CALL]["function_call"], 2),
            "in_its_midst": resumed(TOLD[Surface.TOOL_CALL]["function_call"], 3),
            "item_at_its_end": resumed(TOLD[Surface.TOOL_CALL]["function_call"], 5),
            "only_at_the_end": resumed(TOLD[Surface.TOOL_CALL]["function_call"], 6),
        },
        Surface.TOOL_RESULT: {"mcp_call": resumed(TOLD[Surface.TOOL_RESULT]["mcp_call"], 1)},
        Surface.TOOL_DEFINITION: {
            "tools": echoed(tools=[responses.TOOL]),
            "mcp_list_tools": resumed(TOLD[Surface.TOOL_DEFINITION]["mcp_list_tools"], 1),
        },
        Surface.REASONING: {"summary": resumed(TOLD[Surface.REASONING]["summary"], 2)},
    },
    lacks={
        "requests": {"output": "what the model said before is `assistant`"},
        "streams": {"assistant": "a stream gives an answer, whose words are `output`"},
    },
)
