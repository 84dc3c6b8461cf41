"""Bodies of many requests or answers: each is judged by itself, the whole is written."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.dialects.anthropic_batches import AnthropicBatches, MessageBatch
from gateway.dialects.batch import AnswerList, PartDocument
from gateway.dialects.jsondoc import JsonDocument, parse_answer
from gateway.dialects.openai_chat import ChatAnswer
from gateway.message import Headers, Request

PATH = "/v1/messages/batches"


def batch(*params: dict[str, Any]) -> MessageBatch:
    requests = [{"custom_id": str(n), "params": each} for n, each in enumerate(params)]
    body = orjson.dumps({"requests": requests})
    made = AnthropicBatches().decode(Request("POST", PATH, Headers()), body)
    assert isinstance(made, MessageBatch)
    return made


def ask(text: str, model: str = "claude-sonnet-4-5", **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"model": model, "max_tokens": 9, "messages": [message], **more}


def test_the_model_is_told_where_all_requests_have_the_same() -> None:
    assert batch(ask("a"), ask("b")).model == "claude-sonnet-4-5"
    assert batch(ask("a"), ask("b", "claude-haiku-4-5")).model == ""
    assert not batch(ask("a")).names_model


def test_places_say_which_request_they_are_of() -> None:
    made = batch(ask("a"), ask("b"))
    made.gather()
    assert [s.place for s in made.segments if s.text == "b"] == [
        "requests[1].params.messages[0].content"
    ]


def test_what_rules_did_to_one_request_is_in_the_body_and_the_others_stay() -> None:
    tool = {"name": "shell", "description": "runs", "input_schema": {"type": "object"}}
    made = batch(ask("a"), ask("b", tools=[tool]))
    first, second = made.members
    second.remove_tools(frozenset({"shell"}))
    first.set_max_output(5)
    made.gather()
    assert made.document.changed
    sent = orjson.loads(made.encode())["requests"]
    assert sent[0]["params"]["max_tokens"] == 5
    assert "tools" not in sent[1]["params"]
    assert not any(segment.text == "runs" for segment in made.segments)
    assert made.tools == []


def test_text_inside_a_string_is_written_back() -> None:
    use = {"type": "tool_use", "id": "t", "name": "a", "input": {"q": "secret"}}
    made = batch(
        ask(
            "a",
            messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": [use]}],
        )
    )
    next(s for s in made.segments if s.text == "secret").replace("#")
    assert b"secret" not in made.encode()


def test_bounds_are_those_of_all_requests_together() -> None:
    one, two = batch(ask("a")), batch(ask("a"), ask("a"))
    assert two.input_bound() == 2 * one.input_bound()
    assert two.input_estimate() == 2 * one.input_estimate()
    hosted = {"type": "web_search_20250305", "name": "web_search"}
    assert batch(ask("a"), ask("b", tools=[hosted])).input_bound() == -1


def test_a_request_of_a_batch_is_charged_as_one() -> None:
    assert all(member.batched for member in batch(ask("a"), ask("b")).members)


def test_a_change_inside_a_part_is_a_change_of_the_whole() -> None:
    whole = JsonDocument({"a": {"b": 1}}, b"")
    part = PartDocument(whole.root["a"], whole)
    assert part.raw == b'{"b":1}'
    part.touch()
    assert whole.changed


class Listed(AnswerList):
    def encode(self) -> bytes:
        self.finish_inside()
        assert isinstance(self.document, JsonDocument)
        return self.document.encode()


def test_each_answer_of_a_list_keeps_itself_in_order() -> None:
    """Chat drops the log probabilities of a text that was changed when it is written."""
    said = {"role": "assistant", "content": "secret"}
    choice = {"index": 0, "message": said, "logprobs": {"content": []}, "finish_reason": "stop"}
    document = parse_answer(orjson.dumps({"data": [{"choices": [choice]}]}))
    answers = Listed(document)
    answers.add(ChatAnswer(PartDocument(document.root["data"][0], document)), "data[0]")
    (segment,) = [s for s in answers.segments if s.text == "secret"]
    assert segment.place == "data[0].choices[0].message.content"
    segment.replace("#")
    sent = orjson.loads(answers.encode())["data"][0]["choices"][0]
    assert sent["message"]["content"] == "#"
    assert sent["logprobs"] is None
