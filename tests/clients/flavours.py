"""The ways in which the Python SDKs make a call, and what an agent sees of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

from tests.clients.cases import Ask

ARGUMENTS = '{"id": 17}'


@dataclass
class Heard:
    """What the agent got: text, the tools it was asked to call, the SDK's exception.

    `failed` is (code, message) of an answer that says itself that it failed (Responses);
    `attempts` counts what went over the wire, retries included; `headers` are the last reply's.
    """

    text: str = ""
    tools: list[str] = field(default_factory=list)
    error: Exception | None = None
    failed: tuple[str, str] | None = None
    attempts: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def note(self, response: Any) -> None:
        self.attempts += 1
        self.headers = dict(response.headers)

    @property
    def everything(self) -> str:
        return f"{self.text} {self.tools} {self.error} {self.failed}"


Call = Callable[[str, str, Ask, bool], Heard]


def _openai(base: str, key: str, heard: Heard, say: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{base}/v1",
        api_key=key,
        default_headers={"x-say": say},
        http_client=openai.DefaultHttpxClient(event_hooks={"response": [heard.note]}),
    )


def openai_chat(base: str, key: str, ask: Ask, stream: bool) -> Heard:
    heard = Heard()
    messages: list[Any] = [{"role": "user", "content": ask.text}]
    for number in range(ask.turns if ask.result else 0):
        function = {"name": "get_order", "arguments": ARGUMENTS}
        call = {"id": f"c{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": ask.result})
    options: dict[str, Any] = {
        "model": ask.model,
        "messages": messages,
        "max_tokens": ask.max_tokens,
    }
    if ask.tools:
        options["tools"] = [
            {"type": "function", "function": {"name": t, "parameters": {"type": "object"}}}
            for t in ask.tools
        ]
    with _openai(base, key, heard, ask.say) as client:
        try:
            if stream:
                with client.chat.completions.stream(**options) as events:
                    for event in events:
                        if event.type == "content.delta":
                            heard.text += event.delta
                    message = events.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**options).choices[0].message
            heard.text = message.content or ""
            heard.tools = [call.function.name for call in message.tool_calls or ()]
        except openai.OpenAIError as error:
            heard.error = error
    return heard


def openai_responses(base: str, key: str, ask: Ask, stream: bool) -> Heard:
    heard = Heard()
    items: list[Any] = [{"role": "user", "content": ask.text}]
    for number in range(ask.turns if ask.result else 0):
        call = {"type": "function_call", "name": "get_order", "arguments": ARGUMENTS}
        items.append({**call, "call_id": f"c{number}"})
        result = {"type": "function_call_output", "output": ask.result}
        items.append({**result, "call_id": f"c{number}"})
    options: dict[str, Any] = {
        "model": ask.model,
        "input": items,
        "max_output_tokens": ask.max_tokens,
    }
    if ask.tools:
        options["tools"] = [
            {"type": "function", "name": t, "parameters": {"type": "object"}, "strict": False}
            for t in ask.tools
        ]
    with _openai(base, key, heard, ask.say) as client:
        try:
            if stream:
                with client.responses.stream(**options) as events:
                    for event in events:
                        if event.type == "response.output_text.delta":
                            heard.text += event.delta
                        elif event.type == "response.failed":
                            said = event.response.error
                            assert said is not None
                            heard.failed = (str(said.code), said.message)
                            return heard
                    answer = events.get_final_response()
            else:
                answer = client.responses.create(**options)
            heard.text = answer.output_text
            heard.tools = [item.name for item in answer.output if item.type == "function_call"]
        except openai.OpenAIError as error:
            heard.error = error
    return heard


def anthropic_messages(base: str, key: str, ask: Ask, stream: bool) -> Heard:
    heard = Heard()
    client = anthropic.Anthropic(
        base_url=base,
        api_key=key,
        default_headers={"x-say": ask.say},
        http_client=anthropic.DefaultHttpxClient(event_hooks={"response": [heard.note]}),
    )
    messages: list[Any] = [{"role": "user", "content": ask.text}]
    for number in range(ask.turns if ask.result else 0):
        call = {"type": "tool_use", "id": f"c{number}", "name": "get_order", "input": {"id": 17}}
        result = {"type": "tool_result", "tool_use_id": f"c{number}", "content": ask.result}
        messages.append({"role": "assistant", "content": [call]})
        messages.append({"role": "user", "content": [result]})
    options: dict[str, Any] = {
        "model": ask.model,
        "messages": messages,
        "max_tokens": ask.max_tokens,
    }
    if ask.tools:
        options["tools"] = [{"name": t, "input_schema": {"type": "object"}} for t in ask.tools]
    with client:
        try:
            if stream:
                with client.messages.stream(**options) as events:
                    for event in events:
                        if event.type == "text":
                            heard.text += event.text
                    message = events.get_final_message()
            else:
                message = client.messages.create(**options)
            heard.text = "".join(block.text for block in message.content if block.type == "text")
            heard.tools = [block.name for block in message.content if block.type == "tool_use"]
        except anthropic.AnthropicError as error:
            heard.error = error
    return heard


FLAVOURS: dict[str, Call] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
}
