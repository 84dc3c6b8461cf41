"""The tools that a Chat Completions request declares, and how one is taken out.

`tools` (functions, custom tools, a compatible server's own), the older `functions`, and what is a
hosted tool by another name: `web_search_options` and its like, data sources, plugins. Those are as
the providers' API references name them (OpenAI, Azure OpenAI, xAI, Alibaba Cloud, OpenRouter).
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import DeclaredTool, Surface
from gateway.dialects.jsondoc import SCHEMA_KEYS, SCHEMA_WORDS, leaf_segments
from gateway.dialects.reading import Reader, objects, string
from gateway.dialects.tool_types import types_of

WEB_SEARCH = "web_search"
"""What a search that the provider makes by itself is called among the declared tools."""

_SEARCHES = ("web_search_options", "search_parameters", "enable_search")
"""Fields that let the provider search the web: OpenAI's, xAI's, Qwen's."""

_HOSTED_LISTS = {"data_sources": "type", "dataSources": "type", "plugins": "id"}
"""Lists of things that the provider runs, and what each goes by: Azure's own data, OpenRouter."""

_ONLINE = ":online"
"""What OpenRouter reads behind a model's name as its plugin for web search."""

TOOL_FIELDS = frozenset({"tools", "functions", "response_format", *_SEARCHES, *_HOSTED_LISTS})
"""Fields of a request in which `ToolList` finds something to read."""


def searches_online(root: dict[str, Any]) -> bool:
    """Whether the name of a model asks for a web search."""
    if string(root.get("model")).endswith(_ONLINE):
        return True
    others = root.get("models")
    return type(others) is list and any(string(name).endswith(_ONLINE) for name in others)


class ToolList:
    """Reads the declarations, and the schema of the answer, into `reader`."""

    def __init__(self, root: dict[str, Any], reader: Reader) -> None:
        self._root = root
        self._reader = reader
        self._entries: list[tuple[DeclaredTool, str, Any]] = []  # with its place and its value
        for field in ("tools", "functions"):
            self._read(field)
        for field in _SEARCHES:
            if _asks_for_search(root.get(field)):
                self._entries.append((DeclaredTool(WEB_SEARCH, hosted=True), field, root[field]))
        for field, key in _HOSTED_LISTS.items():
            for number, entry in enumerate(objects(root.get(field))):
                tool = DeclaredTool(_plugin(string(entry.get(key))), hosted=True)
                self._entries.append((tool, f"{field}[{number}]", entry))
        if searches_online(root):
            self._entries.append((DeclaredTool(WEB_SEARCH, hosted=True), "model", root))
        if type(schema := root.get("response_format")) is dict:
            self._text(schema, "response_format")

    def _read(self, field: str) -> None:
        tools = self._root.get(field)
        if tools is None:
            return
        if type(tools) is not list:
            self._reader.unknown(self._root, field, Surface.TOOL_DEFINITION, field)
            return
        for number, tool in enumerate(tools):
            place = f"{field}[{number}]"
            if type(tool) is dict:
                self._entries.append((declared_tool(tool), place, tool))
                self._text(tool, place)
            else:
                self._reader.unknown(tools, number, Surface.TOOL_DEFINITION, place)

    @property
    def declared(self) -> list[DeclaredTool]:
        """The tools, in the order in which they stand."""
        return [tool for tool, _, _ in self._entries]

    def _text(self, root: dict[str, Any], place: str) -> None:
        reader = self._reader
        reader.segments += leaf_segments(
            reader.document,
            root,
            Surface.TOOL_DEFINITION,
            place,
            fresh=reader.fresh,
            known=SCHEMA_KEYS,
            words=SCHEMA_WORDS,
        )

    def remove(self, names: frozenset[str]) -> frozenset[str]:
        """Take tools out of the body, and the choice of them; the places of what has gone."""
        gone = [each for each in self._entries if each[0].name in names]
        if not gone:
            return frozenset()
        root = self._root
        entries = {id(entry) for _, _, entry in gone}
        for field in ("tools", "functions", *_HOSTED_LISTS):
            if type(tools := root.get(field)) is list:
                root[field] = [tool for tool in tools if id(tool) not in entries]
        if WEB_SEARCH in names:
            for field in _SEARCHES:
                root.pop(field, None)
            self._go_offline()
        self._mend_choice(names)
        self._drop_empty()
        self._entries = [each for each in self._entries if each[0].name not in names]
        return frozenset(place for _, place, _ in gone)

    def _go_offline(self) -> None:
        root = self._root
        if type(root.get("model")) is str:
            root["model"] = root["model"].removesuffix(_ONLINE)
        if type(root.get("models")) is list:
            root["models"] = [
                name.removesuffix(_ONLINE) if type(name) is str else name for name in root["models"]
            ]

    def _mend_choice(self, names: frozenset[str]) -> None:
        """A choice that names a tool which has gone falls back to the model's own choice; a list
        of allowed tools of which none is left, to none."""
        root = self._root
        choice = root.get("tool_choice")
        if type(choice) is dict:
            allowed = choice.get("allowed_tools")
            if type(allowed) is dict and type(listed := allowed.get("tools")) is list:
                kept = [t for t in listed if type(t) is not dict or _name(t) not in names]
                if not kept:
                    root["tool_choice"] = "none"
                elif len(kept) != len(listed):
                    allowed["tools"] = kept
            elif _name(choice) in names:
                del root["tool_choice"]
        older = root.get("function_call")
        if type(older) is dict and string(older.get("name")) in names:
            del root["function_call"]

    def _drop_empty(self) -> None:
        """The API takes no empty list of tools, and no choice without a list."""
        root = self._root
        if root.get("tools") == []:
            for field in ("tools", "tool_choice", "parallel_tool_calls"):
                root.pop(field, None)
        for field in _HOSTED_LISTS:
            if root.get(field) == []:
                del root[field]
        if root.get("functions") == []:
            for field in ("functions", "function_call"):
                root.pop(field, None)


def declared_tool(tool: dict[str, Any]) -> DeclaredTool:
    """One entry of `tools` or `functions`. A type of its own is the provider's to run."""
    name = _name(tool)
    kind = string(tool.get("type"))
    types = types_of(kind)
    if name or not types:
        return DeclaredTool(name, types=types)
    return DeclaredTool(kind, hosted=True, types=types)


def _asks_for_search(value: Any) -> bool:
    """Whether the value of a search field asks for one; xAI's `mode` can say that it does not."""
    if type(value) is dict and value.get("mode") == "off":
        return False
    return value is not None and value is not False


def _plugin(name: str) -> str:
    """OpenRouter's `web` is what others call a web search."""
    return WEB_SEARCH if name == "web" else name


def _name(tool: dict[str, Any]) -> str:
    for field in ("function", "custom"):
        if type(inner := tool.get(field)) is dict:
            return string(inner.get("name"))
    return string(tool.get("name"))
