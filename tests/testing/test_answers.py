"""The fake provider's answers are such as the real SDKs and our own dialects read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.types import Message
from ollama import ChatResponse, GenerateResponse
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from gateway.testing import answers
from gateway.testing.answers import Say, Tool
from tests.dialects.driving import anthropic_message, openai_response

SAYS = {
    "plain": Say(),
    "tools": Say(pieces=("Look",), tools=(Tool("a", '{"x": "a long text"}', "1"), Tool("b"))),
    "only a tool": Say(pieces=(), tools=(Tool("a"),)),
}
every = pytest.mark.parametrize("say", SAYS.values(), ids=SAYS.keys())


def payloads(stream: list[bytes]) -> list[Any]:
    lines = [line for event in stream for line in event.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line[6:]) for line in lines if line != b"data: [DONE]"]


@every
def test_whole_answers_are_valid(say: Say) -> None:
    chat = ChatCompletion.model_validate(answers.chat(say), strict=True)
    assert len(chat.choices[0].message.tool_calls or ()) == len(say.tools)
    response = Response.model_validate(answers.responses(say))
    assert response.output_text == say.text
    message = Message.model_validate(answers.messages(say))
    assert (message.usage.input_tokens, message.usage.output_tokens) == say.usage


def test_there_is_an_embedding_for_each_input() -> None:
    made = CreateEmbeddingResponse.model_validate(answers.embeddings(Say(), 3))
    assert [each.index for each in made.data] == [0, 1, 2]


@every
def test_a_chat_stream_adds_up_to_the_whole_answer(say: Say) -> None:
    text, arguments = "", {}
    for payload in payloads(answers.chat_stream(say, usage=True)):
        chunk = ChatCompletionChunk.model_validate(payload)
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                arguments[call.index] = arguments.get(call.index, "") + (
                    call.function.arguments or ""
                )
    assert text == say.text
    assert list(arguments.values()) == [tool.arguments for tool in say.tools]


def test_a_chat_stream_tells_its_usage_only_where_it_is_asked_for() -> None:
    asked = payloads(answers.chat_stream(Say(), usage=True))
    assert asked[-1]["usage"]["total_tokens"] == 17
    assert all(
        "usage" not in payload for payload in payloads(answers.chat_stream(Say(), usage=False))
    )


@every
def test_the_sdks_read_the_other_streams(say: Say) -> None:
    response = openai_response(b"".join(answers.responses_stream(say)))
    calls = [item.arguments for item in response.output if item.type == "function_call"]
    assert (response.output_text, calls) == (say.text, [tool.arguments for tool in say.tools])
    message = anthropic_message(b"".join(answers.messages_stream(say)))
    assert "".join(part.text for part in message.content if part.type == "text") == say.text
    assert [part.name for part in message.content if part.type == "tool_use"] == [
        tool.name for tool in say.tools
    ]


def test_a_completions_stream_adds_up_to_the_whole_answer() -> None:
    whole = Completion.model_validate(answers.completions(Say()), strict=True)
    chunks = payloads(answers.completions_stream(Say()))
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == Say().text
    assert Completion.model_validate(chunks[-1]).choices[0].finish_reason == "stop"
    assert whole.choices[0].text == Say().text


@every
def test_ollamas_lines_add_up_to_the_whole_answer(say: Say) -> None:
    whole = ChatResponse(**answers.ollama(say, chats=True))
    lines = [ChatResponse(**orjson.loads(line)) for line in answers.ollama_stream(say, chats=True)]
    assert (
        "".join(line.message.content or "" for line in lines) == whole.message.content == say.text
    )
    calls = [call for line in lines for call in line.message.tool_calls or ()]
    assert calls == list(whole.message.tool_calls or ())
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1].prompt_eval_count, lines[-1].eval_count) == say.usage


def test_ollamas_generate_thinks_and_answers() -> None:
    say = Say(reasoning=("Hm", "."))
    whole = GenerateResponse(**answers.ollama(say, chats=False))
    assert (whole.response, whole.thinking) == (say.text, "Hm.")
    lines = [orjson.loads(line) for line in answers.ollama_stream(say, chats=False)]
    assert "".join(line["response"] for line in lines) == say.text
    assert "".join(line.get("thinking", "") for line in lines) == "Hm."
