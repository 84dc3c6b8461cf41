"""`portcullis check`: would this policy be taken, and will it hold what it promises?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.cli.policy_argument import add_policies, load_snapshot, policies_of
from gateway.errors import ConfigError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "check",
        help="check a policy file or folder",
        description="Check a policy: every problem with its file and line (exit 1), and warnings "
        "of what is allowed but will not hold.",
    )
    add_policies(parser)
    parser.add_argument("--strict", action="store_true", help="warnings are problems too")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: it can be used; 1: it cannot; 2: there is nothing that could be read."""
    path: Path = policies_of(args)
    if not path.exists():
        print(f"{path}: no such file or folder", file=sys.stderr)
        return 2
    try:
        loaded, snapshot = load_snapshot(path)
    except ConfigError as error:
        count = len(error.problems)
        print(*error.problems, sep="\n")
        print(f"\n{path}: {count} problem{'s' if count > 1 else ''}")
        return 1
    for warning in loaded.warnings:
        print(f"warning: {warning}")
    rules = sum(1 for _ in snapshot.file.rules())
    print(
        f"{path}: fine. {_many(len(snapshot.file.policies), 'policy', 'policies')}, "
        f"{_many(rules, 'rule', 'rules')}, {_many(len(snapshot.tenants), 'tenant', 'tenants')}, "
        f"{_many(len(snapshot.file.upstreams), 'upstream', 'upstreams')}. {snapshot.digest}"
    )
    return 1 if args.strict and loaded.warnings else 0


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
