"""Content blocks of the Anthropic Messages API, as segments and tool calls.

The shapes are those of the API's reference ("Messages", beta headers included) as the official
Python SDK 2.11 types them. One reader serves requests, whole answers and streamed blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.dialects.base import Step, StepKind, Surface, ToolCall
from gateway.dialects.jsondoc import JsonDocument, dumps
from gateway.dialects.reading import Reader, mapping, sample, string

CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Blocks that are calls of tools. All but `tool_use` are run by the provider."""

_Handler = Callable[["BlockReader", dict[str, Any], Surface, str], None]


class BlockReader(Reader):
    """Reads blocks. `calls` and `results` gather what the history's steps are made of.

    `read_arguments` False leaves a call's input alone: in answers calls are judged apart.
    """

    __slots__ = ("additions", "calls", "read_arguments", "results")

    def __init__(
        self, document: JsonDocument, *, fresh: bool = True, read_arguments: bool = True
    ) -> None:
        super().__init__(document, fresh=fresh)
        self.calls: list[ToolCall] = []
        self.results: list[Step] = []
        self.additions: list[tuple[str, dict[str, Any]]] = []  # blocks that define a tool
        self.read_arguments = read_arguments

    def content(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """Content that is a string or a list of blocks."""
        value = holder.get(key)
        if type(value) is list:
            for number in range(len(value)):
                self.block(value, number, surface, f"{place}[{number}]")
        else:
            self.text(holder, key, surface, place)

    def block(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """One block; whatever it is, it is read or named as unscannable."""
        node = holder[key]
        if type(node) is not dict:
            self.text(holder, key, surface, place)
            return
        kind = node.get("type")
        handler = self._handlers.get(kind) if type(kind) is str else None
        if handler is not None:
            handler(self, node, surface, place)
        elif type(kind) is str and kind.endswith("_tool_result"):
            self._result(node, surface, place)
        else:
            self.unknown(holder, key, surface, place)

    # --- one method a family of blocks ---

    def _text(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.text(node, "text", surface, f"{place}.text")
        if citations := node.get("citations"):
            self.structure(citations, surface, f"{place}.citations")

    def _image(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        source = node.get("source")
        self.picture(source, "url" if "url" in mapping(source) else "data", surface, place)

    def _file(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.opaque("file", surface, place)

    def _document(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        source = node.get("source")
        kind = mapping(source).get("type")
        if type(source) is dict and kind == "text":
            self.text(source, "data", surface, f"{place}.source.data")
        elif type(source) is dict and kind == "content":
            self.content(source, "content", surface, f"{place}.source.content")
        else:
            self.opaque("file", surface, place)
            if type(source) is dict and kind == "url":
                self.text(source, "url", surface, f"{place}.source.url")
        self.text(node, "title", surface, f"{place}.title")
        self.text(node, "context", surface, f"{place}.context")

    def _search_result(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        surface = Surface.TOOL_RESULT if surface is Surface.USER else surface
        self.text(node, "source", surface, f"{place}.source")
        self.text(node, "title", surface, f"{place}.title")
        self.content(node, "content", surface, f"{place}.content")

    def _call(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        arguments = node.get("input")
        self.calls.append(
            ToolCall(
                string(node.get("id")),
                string(node.get("name")),
                arguments_text(arguments),
                hosted=node.get("type") != "tool_use",
            )
        )
        if self.read_arguments and arguments:
            if type(arguments) is dict or type(arguments) is list:
                self.json(arguments, Surface.TOOL_CALL, f"{place}.input")
            else:
                self.unknown(node, "input", Surface.TOOL_CALL, f"{place}.input")

    def _result(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        mark = self.mark()
        at = f"{place}.content"
        content = node.get("content")
        if type(content) is dict:
            self.structure(content, Surface.TOOL_RESULT, at)
        elif type(content) is list:
            for number, each in enumerate(content):
                if type(each) is dict and each.get("type") in self._handlers:
                    self.block(content, number, Surface.TOOL_RESULT, f"{at}[{number}]")
                elif type(each) is dict:
                    self.structure(each, Surface.TOOL_RESULT, f"{at}[{number}]")
                else:
                    self.text(content, number, Surface.TOOL_RESULT, f"{at}[{number}]")
        else:
            self.text(node, "content", Surface.TOOL_RESULT, at)
        failed = node.get("is_error")
        if type(failed) is not bool:
            failed = True if string(mapping(content).get("type")).endswith("_error") else None
        self.results.append(
            Step(
                StepKind.RESULT,
                call_id=string(node.get("tool_use_id")),
                text=self.texts_since(mark) + _samples(content),
                is_error=failed,
            )
        )

    def special(self, node: dict[str, Any], surface: Surface, place: str) -> bool:
        if node.get("type") == "document":  # a fetched page
            self._document(node, surface, place)
            return True
        return super().special(node, surface, place)

    def _thinking(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.text(node, "thinking", Surface.REASONING, f"{place}.thinking", readonly=True)

    def _redacted(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.opaque("encrypted", Surface.REASONING, place)

    def _compaction(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        sealed = bool(node.get("signature") or node.get("encrypted_content"))
        self.text(node, "content", surface, f"{place}.content", readonly=sealed)
        if node.get("encrypted_content"):
            self.opaque("encrypted", surface, place)
        if changes := node.get("tool_changes"):
            self.json(changes, Surface.TOOL_DEFINITION, f"{place}.tool_changes", readonly=sealed)

    def _tool_listing(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        self.json(node.get("tools"), Surface.TOOL_DEFINITION, f"{place}.tools")

    def _tool_change(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        definition = mapping(node.get("tool")).get("definition")
        if type(definition) is dict:
            self.additions.append((place, node))
            self.json(definition, Surface.TOOL_DEFINITION, f"{place}.tool.definition")

    def _nothing(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        """A block of closed words: which model answered, which tool is meant."""

    _handlers: ClassVar[dict[str, _Handler]] = {
        "text": _text,
        "image": _image,
        "document": _document,
        "search_result": _search_result,
        "tool_use": _call,
        "server_tool_use": _call,
        "mcp_tool_use": _call,
        "tool_result": _result,
        "mcp_tool_result": _result,
        "thinking": _thinking,
        "redacted_thinking": _redacted,
        "compaction": _compaction,
        "container_upload": _file,
        "mcp_tool_listing": _tool_listing,
        "tool_addition": _tool_change,
        "tool_removal": _nothing,
        "tool_reference": _nothing,
        "fallback": _nothing,
    }


def arguments_text(arguments: Any) -> str:
    """A call's input as JSON text."""
    return dumps(arguments if arguments is not None else {}).decode()


def depends_on(node: dict[str, Any]) -> str:
    """The id of the provider-run call without which a block makes no sense, "" without one.

    That is the call whose result it is, or the program that made it.
    """
    return string(node.get("tool_use_id")) or string(mapping(node.get("caller")).get("tool_id"))


def _samples(content: Any) -> str:
    """Stand-ins for the images of a result: two screenshots differ although no text does."""
    if type(content) is not list:
        return ""
    return "".join(
        "\n" + sample(mapping(each.get("source")).get("data"))
        for each in content
        if type(each) is dict and each.get("type") == "image"
    )
