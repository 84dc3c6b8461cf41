"""`portcullis explain`: which rules a call meets, in order, and where each comes from; which tools
an upstream has, and what the rules say of one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gateway.cli.policy_argument import add_policies, load_snapshot, policies_of
from gateway.config.forward_proxy import UPSTREAM as FORWARD_PROXY
from gateway.config.policy_file import PolicyFile
from gateway.config.problems import suggest
from gateway.config.units import Amount
from gateway.errors import ConfigError
from gateway.policy.compile import Snapshot
from gateway.policy.explain import Row, explain
from gateway.upstream.tools import Tool


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "explain",
        help="show the rules that apply to a call",
        description="Show the rules that apply to a tenant's calls to an upstream, in the order "
        "in which they run, and the file and line that each comes from.",
    )
    add_policies(parser)
    parser.add_argument("--tenant", metavar="T", help="default: the file's default_tenant")
    parser.add_argument("--upstream", metavar="U", help="default: the only upstream")
    parser.add_argument("--tool", metavar="NAME", help="only what watches this tool, and its word")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 2 where the policy cannot be loaded or names no such tenant, upstream or tool."""
    path = policies_of(args)
    try:
        _, snapshot = load_snapshot(path)
        tenant = _one(
            "tenant", args.tenant or snapshot.file.default_tenant, list(snapshot.file.tenants)
        )
        upstream = _one("upstream", args.upstream, _upstreams(snapshot.file, args.upstream))
        tools = _tools(snapshot, upstream, args.tool)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    rows = explain(snapshot, tenant, upstream, args.tool or "")
    print(f"tenant {tenant}, upstream {upstream} ({_provider(snapshot.file, upstream)})")
    print(f"policies {', '.join(snapshot.file.tenants[tenant].policies)}  {snapshot.digest}\n")
    if tools:
        _print([("tool", "method", "path", "price", "timeout", "at once"), *map(_told, tools)])
        print()
    _show(rows)
    return 0


def _tools(snapshot: Snapshot, upstream: str, named: str | None) -> list[Tool]:
    """What the upstream has of tools, or the one that was named. Raises ConfigError.

    Tools of a model and of an MCP server need not stand in the file; those of an HTTP upstream do.
    """
    table = snapshot.tools.get(upstream)
    if table is None:
        return []  # tunnels
    if named is None:
        return list(table.tools)
    tool = table.named(named)
    if tool is None and snapshot.file.upstreams[upstream].provider == "http":
        hint = suggest(named, [each.name for each in table.tools])
        raise ConfigError([f"upstream {upstream!r} has no tool {named!r}{hint}"])
    return [tool] if tool is not None else []


def _told(tool: Tool) -> tuple[str, ...]:
    by_path = tool.path is not None
    methods = ",".join(sorted(tool.methods)) if tool.methods is not None else "any"
    return (
        tool.name,
        methods if by_path else "",
        tool.path.text if tool.path is not None else "",
        str(Amount(tool.price, "nanodollars")) if tool.price is not None else "",
        f"{tool.timeout:g}s" if tool.timeout is not None else "",
        str(tool.concurrency or ""),
    )


def _upstreams(file: PolicyFile, named: str | None) -> list[str]:
    """The names that may be given; tunnels are never meant by saying nothing."""
    asked = named == FORWARD_PROXY and file.forward_proxy is not None
    return [*file.upstreams, *([FORWARD_PROXY] if asked else [])]


def _provider(file: PolicyFile, upstream: str) -> str:
    if upstream == FORWARD_PROXY:
        return "tunnels"
    found = file.upstreams[upstream]
    return f"{found.provider}, {found.url}"


def _one(what: str, named: str | None, known: list[str]) -> str:
    """The name that was given, or the only one there is."""
    if named is None:
        if len(known) == 1:
            return known[0]
        raise ConfigError([f"say which {what}: --{what} {'|'.join(known)}"])
    if named not in known:
        raise ConfigError([f"there is no {what} {named!r}{suggest(named, known)}"])
    return named


def _show(rows: list[Row]) -> None:
    if not rows:
        print("no rule applies")
        return
    lines: list[tuple[str, ...]] = [("", "stage", "rule", "kind", "mode", "from", "only when")]
    lines += [
        (str(number), row.stage, row.rule, row.kind, row.mode.value, row.source, row.condition)
        for number, row in enumerate(rows, 1)
    ]
    if any(row.says for row in rows):
        said = ["says", *(row.says for row in rows)]
        lines = [(*line, says) for line, says in zip(lines, said, strict=True)]
    _print(lines)


def _print(lines: Sequence[tuple[str, ...]]) -> None:
    """Lines of cells, in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
