"""Types of tools: a rule that names one means all its versions."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dialects.tool_types import types_of


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("web_search", ("web_search",)),
        ("web_search_preview", ("web_search_preview", "web_search")),
        ("web_search_preview_2025_03_11", ("web_search_preview_2025_03_11", "web_search")),
        ("web_search_2025_08_26", ("web_search_2025_08_26", "web_search")),
        ("web_search_20250305", ("web_search_20250305", "web_search")),
        ("computer_use_preview", ("computer_use_preview", "computer_use", "computer")),
        ("bash_20250124", ("bash_20250124", "bash")),
        ("text_editor_20250728", ("text_editor_20250728", "text_editor")),
        (
            "tool_search_tool_bm25_20251119",
            ("tool_search_tool_bm25_20251119", "tool_search_tool_bm25", "tool_search"),
        ),
        ("mcp_toolset", ("mcp_toolset", "mcp")),
    ],
)
def test_a_type_goes_by_its_name_without_a_version_too(kind: str, names: tuple[str, ...]) -> None:
    assert types_of(kind) == names


@pytest.mark.parametrize("kind", ["", "function", "custom", "namespace"])
def test_what_the_caller_defines_has_no_type(kind: str) -> None:
    assert types_of(kind) == ()


def declared_types(package: str) -> Iterator[str]:
    """Every type of a tool that an SDK can send."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None
    for path in (Path(found.origin).parent / "types").rglob("*tool*_param.py"):
        yield from re.findall(r"type: Required\[Literal\[\"(\w+)\"", path.read_text())


@pytest.mark.parametrize("package", ["openai", "anthropic"])
def test_no_type_of_the_sdks_keeps_its_version(package: str) -> None:
    kinds = set(declared_types(package))
    assert len(kinds) > 10
    for kind in kinds:
        assert not any(re.search(r"\d{6}|_\d{4}_|preview", name) for name in types_of(kind)[1:])
