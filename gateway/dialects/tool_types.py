"""The types of tools that providers define themselves, as rules compare them: with and without what
marks a version or a preview.

The types are those of the OpenAI SDK 3.52 and the Anthropic SDK 2.11:
`web_search_preview_2025_03_11`, `computer_use_preview`, `tool_search_tool_regex_20251119`.
"""

from __future__ import annotations

import functools
import re

_VERSION = re.compile(r"(?:_preview)?(?:_\d{8}|_\d{4}_\d{2}_\d{2})?$")
_PLAIN = frozenset({"", "function", "custom", "namespace"})
_FAMILIES = {
    "computer_use": "computer",
    "tool_search_tool_regex": "tool_search",
    "tool_search_tool_bm25": "tool_search",
    "mcp_toolset": "mcp",
}
"""Types that are variants of one tool."""


@functools.lru_cache(maxsize=1024)
def types_of(kind: str) -> tuple[str, ...]:
    """All names of a type, the declared one first: a rule that names any of them means this tool.

    Nothing for a tool whose caller defines it (`function`, `custom`).
    """
    if kind in _PLAIN:
        return ()
    bare = _VERSION.sub("", kind, count=1)
    found = (kind, bare, _FAMILIES.get(bare, ""))
    return tuple(dict.fromkeys(name for name in found if name))
