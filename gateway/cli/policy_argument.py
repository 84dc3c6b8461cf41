"""What the commands that read a policy share: which one is meant, and compiling it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gateway.config.load import Loaded, load
from gateway.config.packaged import starter_policy
from gateway.policy.compile import Snapshot, compile_policy


def add_policies(parser: argparse.ArgumentParser) -> None:
    """Give a parser the policy: as its argument, or with the flag that `serve` has."""
    named = parser.add_mutually_exclusive_group()
    named.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="policy file or folder (default: the packaged starter)",
    )
    named.add_argument("--policies", metavar="PATH", help="the same, as for serve")


def policies_of(args: argparse.Namespace) -> Path:
    """The policy that was named, by argument, flag or variable; else the starter."""
    named = args.path or args.policies or os.environ.get("PORTCULLIS_POLICIES")
    return Path(named) if named else starter_policy()


def load_snapshot(path: Path) -> tuple[Loaded, Snapshot]:
    """Load and compile, so that what only a compiled rule can tell is checked too.

    Raises:
        ConfigError: with every problem.
    """
    loaded = load(path)
    return loaded, snapshot_of(loaded)


def snapshot_of(loaded: Loaded) -> Snapshot:
    """Compile what was loaded. Raises ConfigError with every problem."""
    from gateway.policy.rule import Workshop
    from gateway.upstream.prices import packaged_prices

    nobody = bytes(32)  # no call is made here: nothing is counted, and no stand-in is made
    workshop = Workshop(prices=packaged_prices(), scope_key=nobody, pseudonym_key=nobody)
    return compile_policy(loaded, workshop)
