"""Answers of the OpenAI Responses API: a whole response, and its usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.base import Answer, Surface, Usage
from gateway.dialects.jsondoc import JsonDocument, loads_lenient
from gateway.dialects.reading import mapping, objects, string, whole_number
from gateway.dialects.responses_items import (
    CALLS,
    ItemReader,
    call_of,
    depends_on,
    field_of,
    is_hosted,
)


class ResponsesAnswer(Answer):
    """A `response` object. A tool call's key is the index of its item."""

    def __init__(self, document: JsonDocument) -> None:
        """Raises ValueError where the document is not a response."""
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        output = root.get("output")
        if type(output) is not list:
            raise ValueError("not a response")
        self.id = string(root.get("id"))
        self.model = string(root.get("model"))
        self.finish = finish_of(root)
        self.usage = usage_of(root)
        reader = ItemReader(document, read_arguments=False)
        self._items: dict[str, dict[str, Any]] = {}
        for number, item in enumerate(output):
            reader.item(output, number, Surface.OUTPUT, f"output[{number}]")
            if type(item) is dict and item.get("type") in CALLS:
                self._items[str(number)] = item
                self.tool_calls.append(call_of(item, str(number)))
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        gone = [self._items.pop(key) for key in keys if key in self._items]
        if not gone:
            return
        self.tool_calls = [call for call in self.tool_calls if call.key not in keys]
        root = self._document.root
        ids = {string(item.get("call_id")) for item in gone} - {""}
        root["output"] = output = [
            item
            for item in root["output"]
            if not any(item is each for each in gone)
            and not (type(item) is dict and depends_on(item) in ids)
        ]
        if not any(is_call_for_agent(item) for item in output):
            output.append(notice_item(self.id, notice))
        self._document.touch()

    def replace_arguments(self, key: str, arguments: str) -> None:
        set_arguments(self._items[key], arguments)
        for call in self.tool_calls:
            if call.key == key:
                call.arguments = arguments
        self._document.touch()


class TokenCount(Answer):
    """What `/v1/responses/input_tokens` answers: a number, and nothing to read."""

    def encode(self) -> bytes:
        return self.document.raw


def is_call_for_agent(item: Any) -> bool:
    """Whether an item is a call that the agent is to run."""
    return type(item) is dict and item.get("type") in CALLS and not is_hosted(item)


def set_arguments(item: dict[str, Any], arguments: str) -> None:
    """Give a call other arguments, in the form that its item has them."""
    field = field_of(item)
    if field:
        whole = type(item.get(field)) not in (str, type(None))
        item[field] = loads_lenient(arguments) if whole else arguments


def notice_item(answer_id: str, notice: str) -> dict[str, Any]:
    """A complete message of the assistant's. Its id is made of the response's own."""
    return {
        "id": "msg_portcullis_" + answer_id.removeprefix("resp_"),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": notice, "annotations": [], "logprobs": []}],
    }


def finish_of(response: Any) -> str:
    """Why a response ended: its status, or what made it incomplete."""
    fields = mapping(response)
    reason = mapping(fields.get("incomplete_details")).get("reason")
    return string(reason) or string(fields.get("status"))


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """`input_tokens` counts all input; what the cache gave and took is a part of it.

    The response tells how it was served, and what tools of the provider it took.
    """
    fields = mapping(response.get("usage"))
    if not fields:
        return None
    inside = mapping(fields.get("input_tokens_details"))
    total = whole_number(fields.get("input_tokens"))
    read = min(whole_number(inside.get("cached_tokens")), total)
    written = min(whole_number(inside.get("cache_write_tokens")), total - read)
    usage = Usage(
        input=total - read - written,
        cache_read=read,
        cache_write=written,
        output=whole_number(fields.get("output_tokens")),
        reasoning=whole_number(
            mapping(fields.get("output_tokens_details")).get("reasoning_tokens")
        ),
    )
    tier = response.get("service_tier")
    if type(tier) is str:
        usage.detailed().served["service_tier"] = tier
    if searches := _searches(response):
        usage.detailed().searches = searches
    return usage


def _searches(response: Mapping[str, Any]) -> int:
    """Web searches that were run: as the response counts them, else the calls in its output that
    searched. Opening a page that was found is no search ("Web search" in the API's guides)."""
    told = mapping(mapping(response.get("tool_usage")).get("web_search"))
    if "num_requests" in told:
        return whole_number(told["num_requests"])
    return sum(
        mapping(item.get("action")).get("type") in (None, "search")
        for item in objects(response.get("output"))
        if item.get("type") == "web_search_call"
    )
