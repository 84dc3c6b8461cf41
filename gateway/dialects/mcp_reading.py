"""The structures of MCP that hold text: content, resources, tools, prompts, messages.

The names are those of the schemas of 2024-11-05 to 2026-07-28 (modelcontextprotocol.io, and the
types of the official SDK). Servers of every version are read alike, by what a message holds: on a
stream that only listens nobody knows what an answer is an answer to.

Rules of this file:
- What a server says is untrusted text, whoever it is meant for: what it tells is `tool_result`,
  what it says that it has is `tool_definition`.
- Of every structure all fields are read but ids, cursors, dates and figures of the format, and
  `_meta`, which is for programs and not for models. (What a client sends in it is read by
  mcp_request.py: it leaves the house.)
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import DeclaredTool, Segment, Surface
from gateway.dialects.jsondoc import LONG_NUMBER, SCHEMA_KEYS, SCHEMA_WORDS, leaf_segments
from gateway.dialects.reading import Reader, string

_RESULT = Surface.TOOL_RESULT
_DEFINITION = Surface.TOOL_DEFINITION

_IDS = frozenset(
    "_meta audience createdAt cursor elicitationId lastModified lastUpdatedAt nextCursor "
    "progressToken requestId requestState resultType taskId".split()
)
_FIGURES = frozenset(
    "maxTokens pollInterval priority progress size temperature total ttl ttlMs".split()
)
_HINTS = frozenset(
    "destructiveHint execution idempotentHint openWorldHint readOnlyHint taskSupport".split()
)
_HANDSHAKE = frozenset({"capabilities", "instructions", "protocolVersion", "serverInfo"})
_LISTS = frozenset({"prompts", "resources", "resourceTemplates"})


class McpReader(Reader):
    """Collects what messages hold. `offers`: the tools of lists, with the list of each."""

    __slots__ = ("offers",)

    def __init__(self, document: Any) -> None:
        super().__init__(document)
        self.offers: list[tuple[DeclaredTool, list[Any]]] = []

    # --- any structure ---

    def leaves(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """Whatever `holder[key]` is: every string, key and long number of it."""
        value = holder[key]
        kind = type(value)
        if kind is str:
            self.text(holder, key, surface, place)
        elif kind is dict or kind is list:
            self.json(value, surface, place)
        elif kind in (int, float) and not -LONG_NUMBER < value < LONG_NUMBER:
            self.segments.append(Segment(self.document, holder, key, str(value), surface, place))

    def rest(
        self, node: dict[str, Any], surface: Surface, place: str, done: frozenset[str] = frozenset()
    ) -> None:
        """Every field of a structure that is not in `done`, and not an id or a figure."""
        for key in list(node):
            if key in done or key in _IDS or (key in _FIGURES and type(node[key]) is not str):
                continue
            self.leaves(node, key, surface, f"{place}.{key}" if place else key)

    # --- content ---

    def blocks(
        self, holder: Any, key: Any, surface: Surface, place: str, *, json: bool = False
    ) -> None:
        """A content block, or a list of them. `json`: texts may be JSON that is said once more
        as structured content, so that both must be read in the same way."""
        value = holder[key]
        if type(value) is dict:
            self._block(holder, key, surface, place, json)
        elif type(value) is list:
            for number in range(len(value)):
                self._block(value, number, surface, f"{place}[{number}]", json)
        elif value is not None:
            self.unknown(holder, key, surface, place)

    def _block(self, holder: Any, key: Any, surface: Surface, place: str, json: bool) -> None:
        block = holder[key]
        if type(block) is not dict:
            self.unknown(holder, key, surface, place)
            return
        kind = block.get("type")
        done = {"type", "annotations"}
        if type(block.get("annotations")) is dict:
            self.rest(block["annotations"], surface, f"{place}.annotations")
        if kind == "text":
            if json:
                self.json_text(block, "text", surface, f"{place}.text")
                done.add("text")
        elif kind in ("image", "audio"):
            self.opaque(string(kind), surface, place)
            done.add("data")
        elif kind == "resource":
            if "resource" in block:
                self.resource(block, "resource", surface, f"{place}.resource")
            done.add("resource")
        elif kind == "tool_use":
            done |= {"id", "input"}
            if "input" in block:
                called = Surface.TOOL_CALL if surface is Surface.ASSISTANT else surface
                self.leaves(block, "input", called, f"{place}.input")
        elif kind == "tool_result":
            done |= {"toolUseId", "content", "structuredContent"}
            self.output(block, f"{place}.")
        elif kind != "resource_link":
            self.opaque("body", surface, place)
        self._icons(block, surface, place)
        self.rest(block, surface, place, frozenset(done | {"icons"}))

    def output(self, node: dict[str, Any], place: str) -> None:
        """What a tool gave: `content` and `structuredContent`. Servers say the same in both."""
        structured = node.get("structuredContent") is not None
        if "content" in node:
            self.blocks(node, "content", _RESULT, f"{place}content", json=structured)
        if structured:
            self.leaves(node, "structuredContent", _RESULT, f"{place}structuredContent")

    def resource(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """The contents of a resource: text, or bytes that no rule reads."""
        node = holder[key]
        if type(node) is not dict:
            self.unknown(holder, key, surface, place)
            return
        if node.get("blob") is not None:
            media = string(node.get("mimeType")).partition("/")[0].lower()
            self.opaque(media if media in ("image", "audio", "video") else "file", surface, place)
        self.rest(node, surface, place, frozenset({"blob"}))

    def messages(self, holder: Any, key: Any, surface: Surface, place: str) -> None:
        """Messages for a model: a role and content each."""
        value = holder[key]
        if type(value) is not list:
            self.unknown(holder, key, surface, place)
            return
        for number, node in enumerate(value):
            where = f"{place}[{number}]"
            if type(node) is not dict:
                self.unknown(value, number, surface, where)
                continue
            if "content" in node:
                self.blocks(node, "content", surface, f"{where}.content")
            self.rest(node, surface, where, frozenset({"role", "content"}))

    # --- what a server says it has ---

    def tools(self, holder: Any, key: Any, *, offered: bool) -> None:
        """A list of tools. `offered`: a rule may take one out of it."""
        value = holder[key]
        if type(value) is not list:
            self.unknown(holder, key, _DEFINITION, "tools")
            return
        for number, node in enumerate(value):
            place = f"tools[{number}]"
            if type(node) is not dict:
                self.unknown(value, number, _DEFINITION, place)
                continue
            start = len(self.segments)
            self._tool(node, place)
            if offered:
                tool = DeclaredTool(string(node.get("name")), texts=self.segments[start:])
                self.offers.append((tool, value))

    def _tool(self, node: dict[str, Any], place: str) -> None:
        self.text(node, "name", _DEFINITION, f"{place}.name", readonly=True)
        self._icons(node, _DEFINITION, place)
        for key in list(node):
            at = f"{place}.{key}"
            if key in ("name", "icons") or key in _IDS:
                continue
            if type(node[key]) is dict:
                self.segments += leaf_segments(
                    self.document,
                    node[key],
                    _DEFINITION,
                    at,
                    known=SCHEMA_KEYS | _HINTS,
                    words=SCHEMA_WORDS,
                )
            else:
                self.leaves(node, key, _DEFINITION, at)

    def listing(self, holder: Any, key: Any) -> None:
        """A list of prompts, resources or templates. A name is what one is asked for by."""
        value = holder[key]
        if type(value) is not list:
            self.unknown(holder, key, _DEFINITION, key)
            return
        for number, node in enumerate(value):
            place = f"{key}[{number}]"
            if type(node) is not dict:
                self.unknown(value, number, _DEFINITION, place)
                continue
            self.text(node, "name", _DEFINITION, f"{place}.name", readonly=True)
            self._icons(node, _DEFINITION, place)
            self.rest(node, _DEFINITION, place, frozenset({"name", "icons", "annotations"}))
            if type(node.get("annotations")) is dict:
                self.rest(node["annotations"], _DEFINITION, f"{place}.annotations")

    def _icons(self, node: dict[str, Any], surface: Surface, place: str) -> None:
        """Icons: addresses are text, pictures inside the message are pictures."""
        icons = node.get("icons")
        if icons is None:
            return
        if type(icons) is not list:
            self.unknown(node, "icons", surface, f"{place}.icons")
            return
        for number, icon in enumerate(icons):
            where = f"{place}.icons[{number}]"
            if type(icon) is not dict:
                self.unknown(icons, number, surface, where)
                continue
            data = string(icon.get("src"))[:5].lower() == "data:"
            if data:
                self.opaque("image", surface, where)
            self.rest(icon, surface, where, frozenset({"src"} if data else ()))

    # --- whole messages of a server ---

    def server_message(self, node: dict[str, Any], method: str) -> None:
        """Everything that a message of a server holds, whatever kinds of message it is."""
        if type(node.get("params")) is dict:
            self.server_request(method, node["params"])
        elif node.get("params") is not None:
            self.leaves(node, "params", _RESULT, "params")
        if type(node.get("result")) is dict:
            self.server_result(node["result"])
        elif node.get("result") is not None:
            self.leaves(node, "result", _RESULT, "result")
        if node.get("error") is not None:
            self.error(node, _RESULT)
        self.rest(
            node,
            _RESULT,
            "",
            frozenset({"jsonrpc", "id", "method", "params", "result", "error"}),
        )

    def error(self, node: dict[str, Any], surface: Surface) -> None:
        """An error's message and data."""
        if type(node["error"]) is dict:
            self.rest(node["error"], surface, "error", frozenset({"code"}))
        else:
            self.leaves(node, "error", surface, "error")

    def server_request(self, method: str, params: dict[str, Any]) -> None:
        """What a server asks of the client, or tells it."""
        done = {"tools", "messages"} if method == "sampling/createMessage" else set()
        if done and "messages" in params:
            self.messages(params, "messages", _RESULT, "messages")
        if done and "tools" in params:
            self.tools(params, "tools", offered=False)
        self.rest(params, _RESULT, "params", frozenset(done))

    def server_result(self, result: dict[str, Any]) -> None:
        """A result of any method: the fields of all results have names of their own."""
        self.output(result, "")
        for key in list(result):
            if key == "tools":
                self.tools(result, key, offered=True)
            elif key in _LISTS:
                self.listing(result, key)
            elif key == "messages":
                self.messages(result, key, _RESULT, key)
            elif key == "contents" and type(result[key]) is list:
                for number in range(len(result[key])):
                    self.resource(result[key], number, _RESULT, f"{key}[{number}]")
            elif key in _HANDSHAKE:
                self.leaves(result, key, _DEFINITION, key)
            elif key in ("task", "tasks"):
                self._tasks(result, key)
            elif key == "completion" and type(result[key]) is dict:
                self.rest(result[key], _RESULT, key)
            elif key == "inputRequests" and type(result[key]) is dict:
                self._asked(result[key])
        odd = {key for key, shape in _SHAPES.items() if type(result.get(key)) is not shape}
        self.rest(result, _RESULT, "", _READ - odd)

    def _tasks(self, holder: dict[str, Any], key: str) -> None:
        value = holder[key]
        for number, task in enumerate(value if type(value) is list else [value]):
            if type(task) is dict:
                self.rest(task, _RESULT, f"{key}[{number}]" if type(value) is list else key)
            else:
                self.unknown(holder, key, _RESULT, key)
                return

    def _asked(self, requests: dict[str, Any]) -> None:
        """Requests to the client inside a result (2026-07-28)."""
        for key, asked in requests.items():
            if type(asked) is dict and type(asked.get("params")) is dict:
                self.server_request(string(asked.get("method")), asked["params"])
                self.rest(asked, _RESULT, "inputRequests", frozenset({"method", "params"}))
            else:
                self.leaves(requests, key, _RESULT, "inputRequests")

    # --- what a client answers ---

    def client_result(self, holder: Any, key: Any) -> None:
        """The client's answer to a request of the server: what its model said, what its user
        filled in, or what it says of itself."""
        value = holder[key]
        if type(value) is not dict:
            self.leaves(holder, key, Surface.USER, "result")
            return
        if "role" in value and "content" in value:
            self.blocks(value, "content", Surface.ASSISTANT, "content")
            self.rest(value, Surface.ASSISTANT, "", frozenset({"role", "content"}))
        else:
            self.rest(value, Surface.USER, "")


_SHAPES: dict[str, type[Any]] = {"contents": list, "completion": dict, "inputRequests": dict}
_READ = (
    _LISTS
    | _HANDSHAKE
    | frozenset("tools messages content structuredContent task tasks".split())
    | _SHAPES.keys()
)
