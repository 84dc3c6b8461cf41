"""Whole answers of Ollama's own API."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Answer, Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.ollama_fields import (
    ANSWER_FIELDS,
    MESSAGE_FIELDS,
    argument_holder,
    read_images,
    read_tool_call,
    usage_of,
)
from gateway.dialects.openai_chat_fields import arguments_text, put_arguments, read_extra
from gateway.dialects.reading import Reader, string


class OllamaAnswer(Answer):
    """An answer of chat or generate, where `message` or the body itself holds the text.

    Where it was changed, what repeats its text is dropped: `logprobs`, and `context`, which is the
    conversation as tokens. After `encode()` the arguments of `tool_calls` are those let through.
    """

    def __init__(self, document: JsonDocument, input_estimate: int = 0) -> None:
        """Raises ValueError where the body has neither an answer nor an error."""
        super().__init__(document)
        self._document = document
        self._root: dict[str, Any] = document.root
        root = self._root
        if root.keys().isdisjoint(("message", "response", "done", "error")):
            raise ValueError("no answer")
        self.model = string(root.get("model"))
        self.finish = string(root.get("done_reason"))
        self.usage = usage_of(root, input_estimate)
        inner = root.get("message")
        self._message: dict[str, Any] = inner if type(inner) is dict else root
        self._field = "content" if type(inner) is dict else "response"
        self._entries: dict[str, dict[str, Any]] = {}
        reader = Reader(document)
        place = "message" if self._message is inner else ""
        self._read_message(reader, place)
        if inner is not None and type(inner) is not dict:
            reader.unknown(root, "message", Surface.OUTPUT, "message")
        for key in root.keys() - ANSWER_FIELDS:
            read_extra(reader, root, key, Surface.OUTPUT, key)
        if root.get("image") is not None:
            read_images(reader, root["image"], Surface.OUTPUT, "image")
        self.segments = reader.segments
        self.unscannable = reader.unscannable

    def _read_message(self, reader: Reader, place: str) -> None:
        message, root = self._message, self._root
        if message is not root:  # an answer that has a message may have the other's text too
            reader.text(root, "response", Surface.OUTPUT, "response")
            reader.text(root, "thinking", Surface.REASONING, "thinking")
            for key in message.keys() - MESSAGE_FIELDS:
                read_extra(reader, message, key, Surface.OUTPUT, place)
            read_images(reader, message.get("images"), Surface.OUTPUT, "message.images")
        reader.text(message, self._field, Surface.OUTPUT, self._field)
        reader.text(message, "thinking", Surface.REASONING, "thinking")
        for holder in (message,) if message is root else (message, root):
            given = holder.get("tool_calls")
            for index, entry in enumerate(given if type(given) is list else ()):
                if type(entry) is dict:
                    key = str(len(self.tool_calls))
                    self._entries[key] = entry
                    where = f"tool_calls[{index}]"
                    self.tool_calls.append(read_tool_call(reader, entry, key, where))
                else:
                    reader.unknown(given, index, Surface.OUTPUT, "tool_calls")

    def encode(self) -> bytes:
        document = self._document
        if not document.changed:
            return document.raw
        document.flush()
        for key in ("logprobs", "context"):
            self._root.pop(key, None)
        for call in self.tool_calls:
            call.arguments = arguments_text(
                argument_holder(self._entries[call.key]).get("arguments")
            )
        return document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        self._document.flush()
        gone = {id(entry) for key, entry in self._entries.items() if key in keys}
        for holder in (self._message, self._root):
            given = holder.get("tool_calls")
            if type(given) is list:
                kept = [entry for entry in given if id(entry) not in gone]
                if kept:
                    holder["tool_calls"] = kept
                else:
                    del holder["tool_calls"]
        self.tool_calls = [call for call in self.tool_calls if call.key not in keys]
        if not self.tool_calls:
            text = string(self._message.get(self._field))
            self._message[self._field] = f"{text}\n\n{notice}" if text else notice
        self._document.touch()

    def replace_arguments(self, key: str, arguments: str) -> None:
        self._document.flush()
        put_arguments(argument_holder(self._entries[key]), "arguments", arguments)
        self._document.touch()


class OllamaVectors(Answer):
    """An answer of embed or embeddings: vectors and a count of tokens; there is no text in it."""

    def __init__(self, document: JsonDocument, input_estimate: int = 0) -> None:
        """Raises ValueError where the body has neither vectors nor an error."""
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        if root.keys().isdisjoint(("embeddings", "embedding", "error")):
            raise ValueError("no vectors")
        self.model = string(root.get("model"))
        self.usage = usage_of(root, input_estimate)

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Embeddings call no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Embeddings call no tools."""
