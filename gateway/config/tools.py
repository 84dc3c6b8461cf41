"""From an upstream's `tools` and its OpenAPI document to the tools that calls are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gateway.config.openapi import OpenApi
from gateway.config.policy_file import PolicyFile
from gateway.config.problems import suggest
from gateway.config.upstreams import ToolOptions, Upstream
from gateway.config.yaml_tree import Path
from gateway.policy.names import fold
from gateway.upstream.router import BY_NAME_ONLY
from gateway.upstream.tools import NO_TOOLS, Tool, ToolTable, same_requests

Problem = tuple[Path, str]

_NOT_MCP = ("method", "path")
_HTTP_ONLY = ("openapi", "credential_header")


def build_tools(
    file: PolicyFile, documents: Mapping[str, OpenApi]
) -> tuple[dict[str, ToolTable], list[Problem]]:
    """The tools of every upstream, and what is wrong with them by the path where it stands.

    Args:
        documents: by upstream.
    """
    tables: dict[str, ToolTable] = {}
    problems: list[Problem] = []
    for name, upstream in file.upstreams.items():
        path: Path = ("upstreams", name)
        problems += _misplaced(upstream, path)
        if upstream.provider == "mcp":
            tables[name] = ToolTable(_tool(options) for options in upstream.tools)
        elif upstream.provider == "http":
            tables[name] = _http_tools(upstream, documents.get(name), path, problems)
        else:
            tables[name] = NO_TOOLS
        problems += _twice(upstream, path)
    return tables, problems


def find_tool_warnings(file: PolicyFile, tables: Mapping[str, ToolTable]) -> list[Problem]:
    """What is allowed of tools, and will not hold what one may expect of it."""
    without = "each of its paths is an unknown tool, which a `tools` rule flags unless it says more"
    return [
        (("upstreams", name), f"upstream {name!r} has no tools: {without}")
        for name, upstream in file.upstreams.items()
        if upstream.provider == "http" and not tables[name]
    ]


def _misplaced(upstream: Upstream, path: Path) -> Iterator[Problem]:
    """Keys that mean nothing for this provider."""
    provider = upstream.provider
    if upstream.default and provider in BY_NAME_ONLY:
        yield (*path, "default"), f"default: upstreams of provider {provider!r} are called by name"
    if provider == "mcp":
        for number, options in enumerate(upstream.tools):
            for key in _NOT_MCP:
                if getattr(options, key) is not None:
                    where = (*path, "tools", number, key)
                    yield where, f"{key}: a tool of an MCP upstream is known by its name"
    elif provider != "http" and upstream.tools:
        yield (*path, "tools"), f"tools are for providers `http` and `mcp`, not {provider!r}"
    if provider != "http":
        for key in _HTTP_ONLY:
            if getattr(upstream, key) is not None:
                yield (*path, key), f"{key} is for provider `http`, not {provider!r}"
    elif upstream.credential_header is not None and "credential" not in upstream.model_fields_set:
        yield (
            (*path, "credential_header"),
            "credential_header: there is no `credential` to put in it",
        )


def _http_tools(
    upstream: Upstream, document: OpenApi | None, path: Path, problems: list[Problem]
) -> ToolTable:
    tools: list[tuple[Path, Tool]] = []
    for operation in document.operations if document is not None else ():
        tool = Tool(operation.name, frozenset((operation.method,)), operation.path)
        tools.append(((*path, "openapi"), tool))
    for number, options in enumerate(upstream.tools):
        where = (*path, "tools", number)
        same = [n for n, (_, tool) in enumerate(tools) if fold(tool.name) == fold(options.name)]
        if options.path is not None:
            tools.append((where, _tool(options)))
        elif options.method is not None:
            problems.append(((*where, "method"), "method: a method needs a `path` beside it"))
        elif same and tools[same[0]][0][-1] == "openapi":
            tools[same[0]] = where, _with(tools[same[0]][1], options)
        elif not same:
            hint = suggest(options.name, [tool.name for _, tool in tools])
            what = (
                f"tool {options.name!r} has no `path`, and no OpenAPI operation is named so{hint}"
            )
            problems.append((where, what))
    problems += _alike(tools)
    return ToolTable(tool for _, tool in tools)


def _alike(tools: list[tuple[Path, Tool]]) -> Iterator[Problem]:
    """Two tools of one name, or of the same requests."""
    names: dict[str, str] = {}
    shapes: dict[object, list[Tool]] = {}
    for where, tool in tools:
        folded = fold(tool.name)
        if folded in names:
            yield where, f"there are two tools named {tool.name!r}"
        names.setdefault(folded, tool.name)
        rivals = shapes.setdefault(tool.path.shape if tool.path is not None else (), [])
        for rival in rivals:
            if same_requests(tool, rival):
                have = f"tools {rival.name!r} and {tool.name!r} have the same method and path"
                yield where, f"{have}: nothing tells their calls apart"
                break
        rivals.append(tool)


def _twice(upstream: Upstream, path: Path) -> Iterator[Problem]:
    """Entries of one name: the second would be lost."""
    seen: set[str] = set()
    for number, options in enumerate(upstream.tools):
        folded = fold(options.name)
        if folded in seen and options.path is None:
            yield (*path, "tools", number), f"there are two tools named {options.name!r}"
        seen.add(folded)


def _tool(options: ToolOptions) -> Tool:
    methods = frozenset(options.method) if options.method is not None else None
    if methods is not None and "any" in methods:
        methods = None
    return _with(Tool(options.name, methods, options.path), options)


def _with(tool: Tool, options: ToolOptions) -> Tool:
    return replace(
        tool, price=options.price, timeout=options.timeout, concurrency=options.concurrency
    )
