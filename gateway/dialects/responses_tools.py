"""The tools that a Responses request declares, and how they are taken out of it.

A tool is declared in `tools`, inside a `namespace` there, or by an `additional_tools` or
`tool_search_output` item of the input.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import DeclaredTool, Surface
from gateway.dialects.reading import mapping, objects, string
from gateway.dialects.responses_items import ItemReader
from gateway.dialects.tool_types import types_of

_BY_PROVIDER = frozenset(
    {"file_search", "code_interpreter", "image_generation", "programmatic_tool_calling"}
)
_FIXED = frozenset({"name", "server_label"})
_CREDENTIALS = frozenset({"authorization", "headers", "type"})
"""An MCP server's own credentials are there on purpose; no rule looks at them."""


class ToolList:
    """The declared tools of one request. `declared` follows what was removed."""

    __slots__ = ("_items", "_root", "declared")

    def __init__(self, root: dict[str, Any], reader: ItemReader) -> None:
        """Reads the declarations; items of the input must have been read by `reader`."""
        self._root = root
        self._items = reader.additions
        tools = root.get("tools")
        if type(tools) is list:
            for number, entry in enumerate(tools):
                reader.definition(entry, f"tools[{number}]", _FIXED, _CREDENTIALS)
        elif tools is not None:
            reader.unknown(root, "tools", Surface.TOOL_DEFINITION, "tools")
        self.declared = self._list()

    def _list(self) -> list[DeclaredTool]:
        entries = objects(self._root.get("tools"))
        for _, item in self._items:
            entries = entries + objects(item.get("tools"))
        found: list[DeclaredTool] = []
        for entry in entries:
            if entry.get("type") == "namespace":
                namespace = string(entry.get("name"))
                found += [_declared(each, namespace) for each in objects(entry.get("tools"))]
            else:
                found.append(_declared(entry))
        return found

    def remove(self, names: frozenset[str]) -> tuple[str, ...]:
        """Take tools out by name; the places of what is gone, as prefixes."""
        gone = _remove_from(self._root, "tools", names)
        for place, item in self._items:
            gone += _remove_from(item, f"{place}.tools", names)
        if gone:
            if not self._root.get("tools"):
                self._root.pop("tools", None)
            self._mend_choice(names)
            self.declared = self._list()
        return tuple(gone)

    def _mend_choice(self, names: frozenset[str]) -> None:
        """A choice of a tool that is gone, or among none, makes the provider refuse the call."""
        choice = self._root.get("tool_choice")
        if "tools" not in self._root:
            self._root.pop("tool_choice", None)
        elif type(choice) is dict:
            if choice.get("type") == "allowed_tools":
                choice["tools"] = kept = [
                    each
                    for each in objects(choice.get("tools"))
                    if not names & {string(each.get(key)) for key in ("name", "server_label")}
                    and each.get("type") not in names
                ]
                if not kept:
                    del self._root["tool_choice"]
            elif any(choice.get(key) in names for key in ("name", "server_label", "type")):
                del self._root["tool_choice"]


def _remove_from(holder: dict[str, Any], place: str, names: frozenset[str]) -> list[str]:
    tools = holder.get("tools")
    if type(tools) is not list:
        return []
    gone: list[str] = []
    kept: list[Any] = []
    for number, entry in enumerate(tools):
        at = f"{place}[{number}]."
        if type(entry) is not dict:
            kept.append(entry)
            continue
        if entry.get("type") == "namespace":
            inner = _remove_from(entry, f"{at}tools", names)
            gone += inner
            if inner and not entry["tools"]:
                gone.append(at)
                continue
        elif _declared(entry).name in names:
            gone.append(at)
            continue
        kept.append(entry)
    if gone:
        holder["tools"] = kept
    return gone


def _declared(entry: dict[str, Any], namespace: str = "") -> DeclaredTool:
    kind = string(entry.get("type"))
    name = string(entry.get("name"))
    types = types_of(kind)
    if kind == "mcp":
        label = string(entry.get("server_label"))
        if connector := string(entry.get("connector_id")):
            types = (*types, connector)
        return DeclaredTool(label, hosted=True, covers=(kind, *_allowed(entry)), types=types)
    if kind.startswith("web_search"):
        return DeclaredTool(kind, hosted=True, covers=("web_search",), types=types)
    if kind == "shell":
        where = string(mapping(entry.get("environment")).get("type"))
        return DeclaredTool(kind, hosted=where.startswith("container"), types=types)
    if kind == "tool_search":
        return DeclaredTool(kind, hosted=entry.get("execution") != "client", types=types)
    if kind.startswith("computer"):
        return DeclaredTool(kind, covers=("computer",), types=types)
    if namespace:
        types = (*types, namespace)
    return DeclaredTool(name or kind, hosted=kind in _BY_PROVIDER, types=types)


def _allowed(entry: dict[str, Any]) -> list[str]:
    """The tools of an MCP server that may be called, where the request names them."""
    allowed = entry.get("allowed_tools")
    if type(allowed) is dict:
        allowed = allowed.get("tool_names")
    return [each for each in allowed if type(each) is str] if type(allowed) is list else []
