"""The tools that a Gemini request declares, and how they are taken out of it.

An entry of `tools` holds functions of the caller's and, each under a field of its own, tools that
Google runs (the API's reference, "Tool", as google-genai 3.4 types it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.dialects.base import DeclaredTool, Surface
from gateway.dialects.gemini_fields import each, field, listed, snake
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.jsondoc import SCHEMA_KEYS, SCHEMA_WORDS, leaf_segments
from gateway.dialects.reading import string

KEYS = SCHEMA_KEYS | frozenset(
    "anyOf maxProperties minProperties parametersJsonSchema parameters_json_schema prefixItems "
    "propertyOrdering property_ordering ref response responseJsonSchema responseSchema "
    "response_json_schema response_schema defs".split()
)
WORDS = SCHEMA_WORDS | frozenset(word.upper() for word in SCHEMA_WORDS)
"""Keys and values of declarations that are words of the format; Google's types are upper case."""

_BY_CLIENT = (
    "click_at drag_and_drop go_back go_forward hover_at key_combination navigate open_web_browser "
    "scroll_at scroll_document search type_text_at wait_5_seconds"
).split()
"""Functions that `computerUse` brings, which the client runs (the API's guide "Computer use")."""

_MEMBERS = {"google_search": ("google_search_web", "google_search_image")}
"""Further names that calls of a tool bear in `toolCall.toolType`."""

_SECRET = frozenset({"apiAuth", "authConfig", "apiKey", "headers", "streamableHttpTransport"})
"""Fields of Google's tools that hold addresses and keys of servers."""


@dataclass(slots=True)
class _Entry:
    """A declared tool, the place of its text, and where it stands: `holder[key]`."""

    tool: DeclaredTool
    place: str
    holder: Any
    key: Any


class ToolList:
    """The declared tools of one body. `declared` follows what was removed."""

    __slots__ = ("_entries", "_key", "_root", "declared")

    def __init__(self, root: dict[str, Any], key: str, place: str, reader: PartReader) -> None:
        """`root[key]` are the tools; what they say goes into `reader`."""
        self._root = root
        self._key = key
        self._entries: list[_Entry] = []
        for holder, at, where in each(root, key, place):
            if type(holder[at]) is dict:
                self._read(holder[at], where, reader)
            else:
                reader.unknown(holder, at, Surface.TOOL_DEFINITION, where)
        self.declared = [entry.tool for entry in self._entries]

    def _read(self, node: dict[str, Any], place: str, reader: PartReader) -> None:
        for name, spelled in reader.names(node, place).items():
            at = f"{place}.{name}"
            if name == "functionDeclarations":
                for holder, key, where in each(node, spelled, at):
                    self._read_function(holder, key, where, reader)
            elif name == "mcpServers":
                for holder, key, where in each(node, spelled, at):
                    server = string(field(holder[key], "name"))
                    tool = DeclaredTool(server, hosted=True, covers=("mcp",))
                    self._entries.append(_Entry(tool, where, holder, key))
                    self._read_config(holder, key, where, reader)
            else:
                self._entries.append(_Entry(_googles(name, spelled), at, node, spelled))
                self._read_config(node, spelled, at, reader)

    def _read_function(self, holder: Any, key: Any, place: str, reader: PartReader) -> None:
        node = holder[key]
        if type(node) is not dict:
            reader.unknown(holder, key, Surface.TOOL_DEFINITION, place)
            return
        tool = DeclaredTool(string(node.get("name")))
        self._entries.append(_Entry(tool, place, holder, key))
        for name, spelled in reader.names(node, place).items():
            value = node[spelled]
            if type(value) is str:  # with another name it would be another tool
                fixed = name == "name"
                if name != "behavior":
                    reader.text(node, spelled, Surface.TOOL_DEFINITION, place, readonly=fixed)
            elif type(value) is dict or type(value) is list:
                read_schema(reader, value, place)

    @staticmethod
    def _read_config(holder: Any, key: Any, place: str, reader: PartReader) -> None:
        """What a tool of Google's is told. Addresses and keys of servers are not read."""
        value = holder[key]
        if type(value) is str:
            reader.text(holder, key, Surface.TOOL_DEFINITION, place)
            return
        stack = [value]
        while stack:
            node = stack.pop()
            if type(node) is dict:
                for name, spelled in reader.names(node, place).items():
                    inner = node[spelled]
                    if name in _SECRET:
                        continue
                    if type(inner) is str:
                        reader.text(node, spelled, Surface.TOOL_DEFINITION, place)
                    else:
                        stack.append(inner)
            elif type(node) is list:
                for number, inner in enumerate(node):
                    if type(inner) is str:
                        reader.text(node, number, Surface.TOOL_DEFINITION, place)
                    else:
                        stack.append(inner)

    def remove(self, names: frozenset[str]) -> tuple[str, ...]:
        """Take tools out by name; the places of what is gone."""
        gone = [entry for entry in self._entries if entry.tool.name in names]
        if not gone:
            return ()
        dropped = {id(entry.holder[entry.key]) for entry in gone if type(entry.holder) is list}
        for entry in gone:
            if type(entry.holder) is list:
                entry.holder[:] = [each for each in entry.holder if id(each) not in dropped]
            else:
                entry.holder.pop(entry.key, None)
        self._drop_empty()
        self._entries = [entry for entry in self._entries if entry.tool.name not in names]
        self._renumber()
        self._mend_choice(names)
        self.declared = [entry.tool for entry in self._entries]
        return tuple(entry.place for entry in gone)

    def _renumber(self) -> None:
        """Entries of a list that others have left stand further to the front."""
        counts: dict[int, int] = {}
        for entry in self._entries:
            if type(entry.holder) is list:
                entry.key = counts.get(id(entry.holder), 0)
                counts[id(entry.holder)] = entry.key + 1

    def _drop_empty(self) -> None:
        """The API takes no tool without anything in it."""
        root, key = self._root, self._key
        tools = root[key] if type(root[key]) is list else [root[key]]
        for tool in tools:
            if type(tool) is dict:
                for name in [name for name, value in tool.items() if value in ([], None)]:
                    del tool[name]
        kept = [tool for tool in tools if tool != {}]
        if not kept:
            del root[key]
        elif type(root[key]) is list:
            root[key] = kept

    def _mend_choice(self, names: frozenset[str]) -> None:
        """A choice among functions that are gone: of those that are left, or none at all."""
        config = field(self._root, "toolConfig")
        choice = field(config, "functionCallingConfig")
        if type(choice) is not dict:
            return
        functions = [entry for entry in self._entries if not entry.tool.hosted]
        allowed = listed(choice, "allowedFunctionNames")
        kept = [name for name in allowed if string(name) not in names or type(name) is not str]
        if not functions:
            for spelled in ("functionCallingConfig", "function_calling_config"):
                config.pop(spelled, None)
        elif len(kept) != len(allowed):
            spelled = next(key for key in choice if key.startswith("allowed"))
            choice[spelled] = kept
            if not kept:
                del choice[spelled]
                choice["mode"] = "NONE"


def read_schema(reader: PartReader, value: Any, place: str) -> None:
    """A JSON schema, or Google's own form of one: what it says, without the format's words."""
    reader.segments += leaf_segments(
        reader.document,
        value,
        Surface.TOOL_DEFINITION,
        place,
        fresh=reader.fresh,
        known=KEYS,
        words=WORDS,
    )


def _googles(name: str, spelled: str) -> DeclaredTool:
    """A tool that a field of its own declares; Google runs it, but for `computerUse`."""
    plain = snake(name)
    if plain == "computer_use":
        return DeclaredTool(plain, covers=(name, *_BY_CLIENT))
    others = tuple(dict.fromkeys(word for word in (name, spelled) if word != plain))
    return DeclaredTool(plain, hosted=True, covers=(*others, *_MEMBERS.get(plain, ())))
