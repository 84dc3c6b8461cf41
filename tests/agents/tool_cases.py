"""Calls of an MCP server's tools, by agents whose model and server are behind one gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SERVER = "everything"
RULES: list[dict[str, Any]] = [
    {"kind": "tools", "deny": ["delete_*"]},
    {"kind": "injection", "surfaces": ["tool_result", "tool_definition"], "action": "replace"},
    {
        "kind": "patterns",
        "deny": ["DROP TABLE"],
        "surfaces": ["tool_call"],
        "action": "block",
        "when": {"upstream": [SERVER]},
    },
]


@dataclass(frozen=True)
class Row:
    """A call that the model makes. `told` is what it reads of the result in its next request (""
    where the agent may say so in words of its own); `called` whether the server was."""

    tool: str
    arguments: dict[str, str]
    told: str
    called: bool


ROWS = {
    "allowed": Row("echo", {"text": "ho"}, "You said: ho", True),
    "result": Row("fetch_page", {}, "[removed by Portcullis: injection_found]", True),
    "arguments": Row(
        "echo",
        {"text": "DROP TABLE users"},
        "Portcullis blocked this request: rule all/patterns found the forbidden pattern",
        False,
    ),
    "forbidden": Row("delete_everything", {}, "", False),
}
