"""What recorded answers of real providers cost, against sums that were worked out by hand.

A rate below is nano-dollars for one token: dollars for a million, times a thousand (a token at
$0.05 a million costs 50). Each sum has the tokens of the recorded usage block, in its order, and is
multiplied out as the provider's price page reads, not as the code does: what it comes to is the
cost to the nano-dollar. The rows are of the shared data, which is not part of the project.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.anthropic_stream import AnthropicStream
from gateway.dialects.base import AnswerStream, Usage
from gateway.dialects.gemini_stream import GeminiStream
from gateway.dialects.jsondoc import parse_answer
from gateway.dialects.openai_chat import ChatAnswer
from gateway.dialects.openai_chat_stream import ChatStream
from gateway.dialects.openai_completions import CompletionsAnswer
from gateway.dialects.openai_embeddings import EmbeddingsAnswer
from gateway.dialects.responses_stream import ResponsesStream
from gateway.dialects.sse import EventReader
from gateway.testing import make_call
from gateway.upstream.prices import packaged_prices
from tests.dialects.transcripts import exchanges, streams

PRICES = packaged_prices()

# gpt-5-nano: 50 in, 5 cached, 400 out. Reasoning is a part of completion_tokens.
CHAT = {
    "azure-chat-basic": 8 * 50 + 271 * 400,
    "chat-basic": 8 * 50 + 377 * 400,
    "chat-detailed-usage": 12 * 50 + 100 * 400,
    "chat-image-to-text": 22 * 50 + 719 * 400,
    "chat-json-mode": 21 * 50 + 280 * 400,
    "chat-multimodal": 2245 * 50 + 100 * 400,
    "chat-multiturn": 50 * 50 + 526 * 400,
    "chat-openai-agents-python": 171 * 50 + 1962 * 400,
    "chat-parallel-tools": 162 * 50 + 219 * 400,
    "chat-reasoning": 27 * 50 + 267 * 400,
    "chat-text-to-image-tool": 206 * 50 + 150 * 400,
    "chat-tools": 162 * 50 + 287 * 400,
    # gpt-4o-audio-preview: 27 of text at 2,500, 1 of audio at 40,000; 17 of text at 10,000
    "chat-audio-to-text": 27 * 2_500 + 1 * 40_000 + 17 * 10_000,
    # gpt-4o-mini-audio-preview: 22 at 150; 6 of text at 600, 12 of audio at 20,000
    "chat-text-to-audio": 22 * 150 + 6 * 600 + 12 * 20_000,
    # gpt-4o-mini-search-preview: 150 and 600, and 25 dollars for a thousand calls
    "chat-web-search": 26 * 150 + 22 * 600 + 25_000_000,
}
CHAT_STREAMS = {
    "chat-streaming-detailed-usage": 12 * 50 + 100 * 400,
}
EMBEDDINGS = {  # text-embedding-3-small: 20
    "embeddings-basic": 7 * 20,
    "embeddings-base64": 7 * 20,
    "embeddings-dimensions": 5 * 20,
    "embeddings-large-text": 111 * 20,
    "embeddings-max-tokens": 1139 * 20,
    "embeddings-mixed-batch": 79 * 20,
    "embeddings-tokens": 7 * 20,
    "embeddings-whitespace": 26 * 20,
}
OTHER_CHAT_STREAMS = {
    "azure-model-router.1": 15 * 50 + 78 * 400,  # served by gpt-5-nano
    "openai-text": 16 * 100 + 300 * 400,  # gpt-4.1-nano
    "openai-completion-text": 14 * 1_500 + 16 * 2_000,  # gpt-3.5-turbo-instruct
    # grok-3-mini: 300, 75 cached, 500 out; 340 of reasoning beside the 2 of the answer
    "xai-text": 1 * 300 + 11 * 75 + (2 + 340) * 500,
    "xai-tool-call": 1 * 300 + 306 * 75 + (26 + 227) * 500,
}
RESPONSES = {
    # gpt-5.1: 1,250, 125 cached, 10,000 out
    "openai-apply-patch-tool-delete.1": 24 * 1_250 + 0,
    "openai-apply-patch-tool.1": 642 * 1_250 + 67 * 10_000,
    "openai-shell-tool.1": 331 * 1_250 + 166 * 10_000,
    # gpt-5.4: 2,500, 250 cached, 15,000 out
    "openai-client-tool-search.1": 65 * 2_500 + 31 * 15_000,
    "openai-client-tool-search.2": 467 * 2_500 + 26 * 15_000,
    "openai-tool-search.1": 640 * 2_500 + 46 * 15_000,
    # gpt-5-nano: 50, 5 cached, 400 out
    "openai-code-interpreter-tool.1": 3103 * 50 + 2944 * 5 + 1623 * 400,
    # gpt-5.2: 1,750, 175 cached, 14,000 out
    "openai-compaction.1": 1305 * 1_750 + 49792 * 175 + 2505 * 14_000,
    "openai-custom-tool.1": 50 * 1_750 + 20 * 14_000,  # gpt-5.2-codex
    "openai-shell-container-multiturn.1": 802 * 1_750 + 20 * 14_000,
    "openai-shell-container.1": 200 * 1_750 + 120 * 14_000,
    "openai-shell-local-multiturn.1": 444 * 1_750 + 12 * 14_000,
    "openai-shell-skills.1": 477 * 1_750 + 1024 * 175 + 314 * 14_000,
    # gpt-5-mini: 250, 25 cached, 2,000 out
    "openai-file-search-tool.1": 1433 * 250 + 2304 * 25 + 621 * 2_000,
    "openai-file-search-tool.2": 1444 * 250 + 2304 * 25 + 543 * 2_000,
    "openai-mcp-tool-approval.1": 422 * 250 + 48 * 2_000,
    "openai-mcp-tool-approval.2": 553 * 250 + 371 * 2_000,
    "openai-mcp-tool-approval.3": 609 * 250 + 48 * 2_000,
    "openai-mcp-tool-approval.4": 779 * 250 + 69 * 2_000,
    "openai-mcp-tool.1": 11791 * 250 + 963 * 2_000,
    # gpt-5: 1,250, 125 cached, 10,000 out
    "openai-image-generation-tool.1": 1021 * 1_250 + 1920 * 125 + 1249 * 10_000,
    "openai-local-shell-tool.1": 407 * 1_250 + 151 * 10_000,  # gpt-5-codex
    "openai-reasoning-encrypted-content.1": 299 * 1_250 + 12 * 10_000,  # gpt-5.1-codex-max
    # gpt-5.3-codex: 1,750, 175 cached, 14,000 out
    "github-copilot-id-rotation.1": 19 * 1_750 + 105 * 14_000,
    "openai-phase.1": 4040 * 1_750 + 3072 * 175 + 463 * 14_000,
    # gpt-5.6-sol at its list price: 5,000, 500 cached, 30,000 out
    "programmatic-tool-calling.1": 631 * 5_000 + 87 * 30_000,
    "programmatic-tool-calling.3": 757 * 5_000 + 35 * 30_000,
}
ANTHROPIC = {
    # claude-sonnet-4-5 and -4: 3,000 in, 15,000 out
    "anthropic-text": 12 * 3_000 + 30 * 15_000,
    "anthropic-tool-no-args": 565 * 3_000 + 48 * 15_000,
    "anthropic-clear-thinking.1": 69 * 3_000 + 53 * 15_000,
    "anthropic-code-execution-20250825.1": 8050 * 3_000 + 771 * 15_000,
    "anthropic-code-execution-20250825.2": 15696 * 3_000 + 2479 * 15_000,
    # above 200,000 tokens of input: twice the input and half as much again for the output
    "anthropic-code-execution-20250825.pptx-skill": 320032 * 6_000 + 5558 * 22_500,
    "anthropic-mcp.1": 1250 * 3_000 + 83 * 15_000,
    "anthropic-json-output-format.1": 313 * 3_000 + 305 * 15_000,
    "anthropic-web-fetch-tool.1": 4230 * 3_000 + 446 * 15_000,
    # one web search, at 10 dollars for a thousand
    "anthropic-web-search-tool.1": 15665 * 3_000 + 795 * 15_000 + 1 * 10_000_000,
    # claude-sonnet-5: 2,000 in, 2,500 written for five minutes, 200 read, 10,000 out
    "anthropic-code-execution-20260120-prompt-cache.1": (
        6 * 2_000 + 3337 * 2_500 + 6289 * 200 + 198 * 10_000
    ),
    # claude-haiku-4-5: 1,000 in, 5,000 out
    "anthropic-clear-tool-uses.1": 859 * 1_000 + 122 * 5_000,
    "anthropic-json-tool.1": 849 * 1_000 + 47 * 5_000,
    "anthropic-json-other-tool.1": 843 * 1_000 + 28 * 5_000,
    # claude-opus-4-5: 5,000 in, 25,000 out
    "anthropic-message-delta-input-tokens": 61 * 5_000 + 2 * 25_000,
    # claude-fable-5: 10,000 in, 50,000 out
    "anthropic-refusal": 18 * 10_000 + 5 * 50_000,
    # claude-opus-4-6 shortened the history first: both inferences are charged
    "anthropic-compaction.1": (60385 + 612) * 5_000 + (522 + 2819) * 25_000,
    # claude-sonnet-4-6 (3,000 and 15,000) asked claude-opus-4-7 (5,000 and 25,000) for advice
    "anthropic-advisor-20250301.1": (
        (1051 + 3676) * 3_000 + (35 + 3356) * 15_000 + 2728 * 5_000 + 3880 * 25_000
    ),
    # claude-fable-5 refused, claude-opus-4-8 answered
    "anthropic-fallback": 408 * 10_000 + 412 * 5_000 + 264 * 25_000,
}
GEMINI = {
    # gemini-3-pro-preview: 2,000 in, 12,000 out; thoughts are beside the candidates' tokens
    "google-text": 9 * 2_000 + (23 + 185) * 12_000,
    "google-reasoning": 9 * 2_000 + (29 + 256) * 12_000,
    "google-reasoning-gemini3": 9 * 2_000 + (23 + 302) * 12_000,
    "google-tool-call": 29 * 2_000 + (15 + 45) * 12_000,
    "google-tool-call-gemini3": 29 * 2_000 + (15 + 804) * 12_000,
    "google-stream-tool-call-arguments": 26 * 2_000 + (23 + 132) * 12_000,  # gemini-3.1-pro
    "google-vertex-stream-tool-call-arguments-nested.1": 31 * 2_000 + (684 + 1026) * 12_000,
    # gemini-3-flash-preview: 500 in, 3,000 out
    "google-stream-no-args-tool-call": 249 * 500 + (58 + 183) * 3_000,
    "google-stream-tool-call-array-arguments-missing-terminal-function-call": (
        54 * 500 + (74 + 121) * 3_000
    ),
}


def named(rows: list[dict[str, Any]], row: str) -> dict[str, Any]:
    """The row of a recording, by the last part of its id without the endings."""
    for each in rows:
        name = each["id"].rpartition(":" if "yaml" not in each["id"] else "ai-gateway:")[2]
        if name.partition(".yaml")[0].removesuffix(".chunks.txt") == row:
            return each
    raise AssertionError(f"no recording {row}")


def cost(model: str, provider: str, usage: Usage | None) -> int:
    assert usage is not None
    return PRICES.cost_of(make_call(model="somebody-elses-alias"), provider, model, usage)


def read(stream: AnswerStream, row: dict[str, Any]) -> AnswerStream:
    reader = EventReader()
    for event in [*reader.feed(row["response"].encode()), *reader.end()]:
        stream.read(event)
    return stream


@pytest.mark.parametrize("row", CHAT)
def test_whole_answers_of_chat(row: str) -> None:
    answer = ChatAnswer(parse_answer(named(exchanges("openai_chat"), row)["response"].encode()))
    assert cost(answer.model, "openai", answer.usage) == CHAT[row]


@pytest.mark.parametrize("row", EMBEDDINGS)
def test_embeddings(row: str) -> None:
    body = named(exchanges("openai_embeddings"), row)["response"].encode()
    answer = EmbeddingsAnswer(parse_answer(body))
    assert cost(answer.model, "openai", answer.usage) == EMBEDDINGS[row]


def test_a_completion_of_the_old_kind() -> None:
    row = named(exchanges("openai_completions"), "completion-suffix")
    answer = CompletionsAnswer(parse_answer(row["response"].encode()))
    # gpt-3.5-turbo-instruct: 1,500 in, 2,000 out
    assert cost(answer.model, "openai", answer.usage) == 25 * 1_500 + 30 * 2_000


@pytest.mark.parametrize("row", CHAT_STREAMS)
def test_streamed_chat_of_a_gateway_in_between(row: str) -> None:
    stream = read(ChatStream(), named(exchanges("openai_chat"), row))
    assert cost(stream.model, "openai", stream.usage) == CHAT_STREAMS[row]


@pytest.mark.parametrize("row", OTHER_CHAT_STREAMS)
def test_streamed_chat(row: str) -> None:
    stream = read(ChatStream(), named(streams("openai_chat"), row))
    assert cost(stream.model, "openai", stream.usage) == OTHER_CHAT_STREAMS[row]


@pytest.mark.parametrize("row", ["xai-text", "xai-tool-call"])
def test_the_sum_is_the_one_that_the_provider_states(row: str) -> None:
    recorded = named(streams("openai_chat"), row)
    ticks = int(recorded["response"].rpartition('"cost_in_usd_ticks":')[2].partition("}")[0])
    assert OTHER_CHAT_STREAMS[row] * 10 == ticks  # ten thousand millionths of a dollar


@pytest.mark.parametrize("row", RESPONSES)
def test_streamed_responses(row: str) -> None:
    stream = read(ResponsesStream(), named(streams("openai_responses"), row))
    assert cost(stream.model, "openai", stream.usage) == RESPONSES[row]


def test_a_streamed_response_with_web_searches() -> None:
    row = named(streams("openai_responses"), "openai-web-search-tool.1")
    stream = read(ResponsesStream(), row)
    assert stream.usage is not None
    searches = 2  # of its calls, the others open pages and look into them
    tokens = 27361 * 250 + 3712 * 25 + 4416 * 2_000  # gpt-5-mini
    assert cost(stream.model, "openai", stream.usage) == tokens + searches * 10_000_000


@pytest.mark.parametrize("row", ANTHROPIC)
def test_streamed_messages(row: str) -> None:
    stream = read(AnthropicStream(), named(streams("anthropic_messages"), row))
    assert cost(stream.model, "anthropic", stream.usage) == ANTHROPIC[row]


@pytest.mark.parametrize("row", GEMINI)
def test_streamed_contents(row: str) -> None:
    stream = read(GeminiStream(), named(streams("gemini"), row))
    assert cost(stream.model, "gemini", stream.usage) == GEMINI[row]
