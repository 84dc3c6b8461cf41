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
    """What the agent got: text, the tools it was asked to call, or the SDK's exception.

    `attempts` counts what went over the wire, retries included; `headers` are the last reply's.
    """

    text: str = ""
    tools: list[str] = field(default_factory=list)
    error: Exception | None = None
    attempts: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def note(self, response: Any) -> None:
        self.attempts += 1
        self.headers = dict(response.headers)

    @property
    def everything(self) -> str:
        return f"{self.text} {self.tools} {self.error}"


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
    client = _openai(base, key, heard, ask.say)
    messages: list[Any] = [{"role": "user", "content": ask.text}]
    for number in range(ask.turns if ask.result else 0):
        call = {
            "id": f"c{number}",
            "type": "function",
            "function": {"name": "get_order", "arguments": ARGUMENTS},
        }
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
    try:
        if stream:
            with client.chat.completions.stream(**options) as events:
                for _ in events:
                    pass
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**options).choices[0].message
        heard.text = message.content or ""
        heard.tools = [call.function.name for call in message.tool_calls or ()]
    except openai.OpenAIError as error:
        heard.error = error
    finally:
        client.close()
    return heard


def openai_responses(base: str, key: str, ask: Ask, stream: bool) -> Heard:
    heard = Heard()
    client = _openai(base, key, heard, ask.say)
    items: list[Any] = [{"role": "user", "content": ask.text}]
    for number in range(ask.turns if ask.result else 0):
        items.append(
            {
                "type": "function_call",
                "call_id": f"c{number}",
                "name": "get_order",
                "arguments": ARGUMENTS,
            }
        )
        items.append(
            {"type": "function_call_output", "call_id": f"c{number}", "output": ask.result}
        )
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
    try:
        if stream:
            with client.responses.stream(**options) as events:
                for _ in events:
                    pass
                answer = events.get_final_response()
        else:
            answer = client.responses.create(**options)
        heard.text = answer.output_text
        heard.tools = [item.name for item in answer.output if item.type == "function_call"]
    except openai.OpenAIError as error:
        heard.error = error
    finally:
        client.close()
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
        "max_tokens": ask.max_tokens or 100,
    }
    if ask.tools:
        options["tools"] = [{"name": t, "input_schema": {"type": "object"}} for t in ask.tools]
    try:
        if stream:
            with client.messages.stream(**options) as events:
                for _ in events:
                    pass
                message = events.get_final_message()
        else:
            message = client.messages.create(**options)
        heard.text = "".join(block.text for block in message.content if block.type == "text")
        heard.tools = [block.name for block in message.content if block.type == "tool_use"]
    except anthropic.AnthropicError as error:
        heard.error = error
    finally:
        client.close()
    return heard


FLAVOURS: dict[str, Call] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
}
