"""The tools that an Anthropic request declares, and how they are taken out of it.

A tool is declared in `tools` (by schema, by the type of one of Anthropic's own, or as the
toolset of an MCP server), in `mcp_servers`, or in mid-conversation by a `tool_addition` block.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.dialects.anthropic_blocks import BlockReader
from gateway.dialects.base import DeclaredTool, Surface
from gateway.dialects.reading import mapping, objects, string
from gateway.dialects.tool_types import types_of

_FIXED = frozenset({"name", "mcp_server_name"})
_SKIPPED = frozenset({"type", "cache_control"})
_BY_PROVIDER = re.compile(r"(web_search|web_fetch|code_execution|tool_search_tool|advisor)_")
_VERSION = re.compile(r"_\d{8}$")
_MEMBERS = {"code_execution": ("bash_code_execution", "text_editor_code_execution")}

_BROWSER = (
    "close_tab double_click file_upload find form_input get_page_text hold_key hover"
    " javascript_exec key left_click left_click_drag left_mouse_down left_mouse_up list_tabs"
    " middle_click mouse_move navigate new_tab read_console read_network read_page right_click"
    " screenshot scroll scroll_to switch_tab triple_click type wait zoom"
)
_COMPUTER = (
    "cursor_position double_click hold_key key left_click left_click_drag left_mouse_down"
    " left_mouse_up middle_click mouse_move right_click screenshot scroll triple_click type wait"
    " zoom"
)
_TOOLSETS = {"browser_toolset": _BROWSER.split(), "computer_toolset": _COMPUTER.split()}
"""Members of the toolsets that one entry declares (SDK 2.11, `*_toolset_configs_param`)."""


class ToolList:
    """The declared tools of one request. `declared` follows what was removed."""

    __slots__ = ("_additions", "_root", "declared")

    def __init__(self, root: dict[str, Any], reader: BlockReader) -> None:
        """Reads the declarations; those inside messages must have been read by `reader`."""
        self._root = root
        self._additions = reader.additions
        self._read(reader)
        self.declared = self._list()

    def _list(self) -> list[DeclaredTool]:
        entries = objects(self._root.get("tools"))
        found = [_declared(entry) for entry in entries]
        inside = {entry.get("mcp_server_name") for entry in entries}
        found += [
            _server(each)
            for each in objects(self._root.get("mcp_servers"))
            if each.get("name") not in inside
        ]
        found += [_declared(_definition(block)) for _, block in self._additions]
        return found

    def _read(self, reader: BlockReader) -> None:
        tools = self._root.get("tools")
        for number, entry in enumerate(tools if type(tools) is list else ()):
            reader.definition(entry, f"tools[{number}]", _FIXED, _SKIPPED)
        for number, server in enumerate(objects(self._root.get("mcp_servers"))):
            reader.text(
                server,
                "name",
                Surface.TOOL_DEFINITION,
                f"mcp_servers[{number}].name",
                readonly=True,
            )
        if type(tools) is not list and tools is not None:
            reader.unknown(self._root, "tools", Surface.TOOL_DEFINITION, "tools")

    def remove(self, names: frozenset[str]) -> tuple[str, ...]:
        """Take tools out by name; the places of what is gone, as prefixes."""
        gone = self._remove_entries(names)
        gone += self._remove_servers(names)
        gone += self._remove_additions(names)
        if gone:
            self._mend_choice(names)
            self.declared = self._list()
        return tuple(gone)

    def _remove_entries(self, names: frozenset[str]) -> list[str]:
        tools = self._root.get("tools")
        if type(tools) is not list:
            return []
        gone: list[str] = []
        kept: list[Any] = []
        for number, entry in enumerate(tools):
            if type(entry) is dict and _declared(entry).name in names:
                gone.append(f"tools[{number}].")
                self._forget_server(entry.get("mcp_server_name"))
            else:
                kept.append(entry)
        if kept:
            self._root["tools"] = kept
        else:
            del self._root["tools"]
        return gone

    def _remove_servers(self, names: frozenset[str]) -> list[str]:
        gone: list[str] = []
        for number, server in enumerate(objects(self._root.get("mcp_servers"))):
            if server.get("name") in names:
                self._forget_server(server.get("name"))
                gone.append(f"mcp_servers[{number}].")
        return gone

    def _forget_server(self, name: Any) -> None:
        servers = self._root.get("mcp_servers")
        if name is None or type(servers) is not list:
            return
        servers[:] = [each for each in servers if mapping(each).get("name") != name]
        if not servers:
            del self._root["mcp_servers"]

    def _remove_additions(self, names: frozenset[str]) -> list[str]:
        gone: list[str] = []
        kept: list[tuple[str, dict[str, Any]]] = []
        for place, block in self._additions:
            if _declared(_definition(block)).name in names:
                gone.append(f"{place}.")
                self._drop_block(block)
            else:
                kept.append((place, block))
        self._additions = kept
        return gone

    def _drop_block(self, block: dict[str, Any]) -> None:
        messages: list[Any] = self._root["messages"]
        for message in objects(messages):
            content = message.get("content")
            if type(content) is list and any(each is block for each in content):
                content[:] = [each for each in content if each is not block]
                if not content:
                    messages[:] = [each for each in messages if each is not message]
                return

    def _mend_choice(self, names: frozenset[str]) -> None:
        """A choice of a tool that is gone, or among none, makes the provider refuse the call."""
        choice = self._root.get("tool_choice")
        if "tools" not in self._root or mapping(choice).get("name") in names:
            self._root.pop("tool_choice", None)


def _declared(entry: dict[str, Any]) -> DeclaredTool:
    kind = string(entry.get("type"))
    name = string(entry.get("name"))
    types = types_of(kind)
    if kind == "mcp_toolset":
        server = string(entry.get("mcp_server_name"))
        members = ("mcp", *_toolset_members(entry))
        return DeclaredTool(server, hosted=True, covers=members, types=types)
    base = _VERSION.sub("", kind)
    if base in _TOOLSETS:
        return DeclaredTool(name or base, covers=tuple(_TOOLSETS[base]), types=types)
    if _BY_PROVIDER.match(kind):
        covers = (kind, *_MEMBERS.get(base, ()))
        return DeclaredTool(name or base, hosted=True, covers=covers, types=types)
    return DeclaredTool(name or kind, types=types)


def _server(server: dict[str, Any]) -> DeclaredTool:
    allowed = mapping(server.get("tool_configuration")).get("allowed_tools")
    names = [each for each in allowed if type(each) is str] if type(allowed) is list else []
    return DeclaredTool(string(server.get("name")), hosted=True, covers=("mcp", *names))


def _toolset_members(entry: dict[str, Any]) -> list[str]:
    """The tools that a toolset brings, as far as the request names them.

    Where it names none, the provider asks the server.
    """
    configs = entry.get("configs")
    configs = configs if type(configs) is dict else {}
    enabled = mapping(entry.get("default_config")).get("enabled") is not False
    pinned = [string(each.get("name")) for each in objects(entry.get("tools"))]
    return [
        name
        for name in (pinned or configs)
        if mapping(configs.get(name)).get("enabled", enabled) is not False
    ]


def _definition(block: dict[str, Any]) -> dict[str, Any]:
    """The tool that a `tool_addition` block defines."""
    definition: dict[str, Any] = block["tool"]["definition"]
    return definition
