"""What a request for something stored is answered: one object, or a list of them.

Told apart by `object`: `response` and `chat.completion` are answers of the model; items of a
conversation and the input of a response are history; what else there is, is read string by string.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Answer, DeclaredTool, Surface
from gateway.dialects.batch import AnswerList, PartDocument
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.openai_chat import ChatAnswer
from gateway.dialects.openai_chat_request import ChatCall
from gateway.dialects.reading import string
from gateway.dialects.responses_answer import ResponsesAnswer
from gateway.dialects.responses_items import ItemReader, read_echo
from gateway.dialects.responses_tools import ToolList

_LIST_FIELDS = frozenset({"data", "first_id", "last_id", "has_more", "object"})
_FORMAT_FIELDS = frozenset({"id", "object", "created_at", "deleted", "error"})


class StoredAnswer(AnswerList):
    """See the file. `declared`: the tools of the request that a stored response answers."""

    earlier = True

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        self.declared: list[DeclaredTool] | None = None
        root: dict[str, Any] = document.root
        self.id = string(root.get("id"))
        data = root.get("data")
        if root.get("object") == "list" and type(data) is list:
            for number in range(len(data)):
                self._read(data, number, f"data[{number}]")
            rest = {name: root[name] for name in root.keys() - _LIST_FIELDS}
            self._leaves(rest, "list")
        else:
            self._read([root], 0, string(root.get("object")) or "item")

    def _read(self, holder: list[Any], number: int, place: str) -> None:
        """One object: an answer, an item of a conversation, a message, or something else."""
        node = holder[number]
        kind = string(node.get("object")) if type(node) is dict else ""
        try:
            if kind.startswith("response"):
                self._read_response(node, place)
                return
            if kind == "chat.completion":
                self._add(ChatAnswer(PartDocument(node, self._document)), node, place)
                return
        except ValueError:  # it calls itself what it is not
            kind = ""
        if kind == "conversation":
            self._leaves(node, place)
        elif _is_chat_message(node):
            self._read_chat(node, place)
        elif type(node) is dict and ("type" in node or "role" in node):
            reader = ItemReader(self._document, fresh=False)
            reader.item(holder, number, Surface.ASSISTANT, place)
            self._take(reader)
        elif type(node) is dict and "error" in node:
            return  # the API's own words
        else:
            reader = ItemReader(self._document, fresh=False)
            reader.unknown(holder, number, Surface.OUTPUT, place)
            self._take(reader)

    def _read_response(self, node: dict[str, Any], place: str) -> None:
        """A response: its output is an answer; what it repeats of its request is history."""
        self._add(ResponsesAnswer(PartDocument(node, self._document)), node, place)
        reader = ItemReader(self._document, fresh=False)
        read_echo(reader, node, place)
        tools = ToolList(node, reader).declared
        self._take(reader)
        if node is self._document.root and "tools" in node:
            self.declared = tools

    def _add(self, answer: Answer, node: dict[str, Any], place: str) -> None:
        if node is self._document.root:  # the one answer: its segments are as fresh as they were
            self.model, self.finish = answer.model, answer.finish
        else:
            for segment in answer.segments:
                segment.fresh = False
        self.add(answer, place)

    def _read_chat(self, node: dict[str, Any], place: str) -> None:
        """A message that a chat completion was asked with."""
        message = ChatCall(PartDocument({"messages": [node]}, self._document))
        for segment in message.segments:
            segment.fresh = False
            segment.place = f"{place}.{segment.place.partition('.')[2]}"
        self.segments += message.segments
        self.unscannable += message.unscannable

    def _leaves(self, node: dict[str, Any], place: str) -> None:
        """Strings of an object that holds no words of a model: metadata."""
        reader = ItemReader(self._document, fresh=False)
        for name in node.keys() - _FORMAT_FIELDS:
            if type(node[name]) is str:
                reader.text(node, name, Surface.USER, f"{place}.{name}")
            else:
                reader.json(node[name], Surface.USER, f"{place}.{name}")
        self._take(reader)

    def _take(self, reader: ItemReader) -> None:
        self.segments += reader.segments
        self.unscannable += reader.unscannable

    def encode(self) -> bytes:
        self.finish_inside()
        return self._document.encode()


def _is_chat_message(node: Any) -> bool:
    """Whether a stored message is one of Chat Completions, and not an item of a conversation."""
    if type(node) is not dict or "role" not in node or "type" in node:
        return False
    return type(node.get("content")) is not list or "content_parts" in node
