"""`portcullis rollback`: serve an earlier version of the policy again."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.settings import state_folder
from gateway.config.versions import Version, Versions
from gateway.errors import ConfigError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "rollback",
        help="return to an earlier version of the policy",
        description="Pin the policy version before the one that is served, or a named one. A "
        "running gateway takes it up by itself. The pin holds until your policy files change.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("digest", nargs="?", help="the version to return to, or how it begins")
    what.add_argument("--list", action="store_true", help="show the versions that are kept")
    what.add_argument("--unpin", action="store_true", help="serve the policy files again")
    parser.add_argument("--folder", metavar="DIR", help="the state folder, if not the default")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 2 where there is no version to return to."""
    folder = Path(args.folder) if args.folder else state_folder(os.environ)
    versions = Versions(folder)
    try:
        if args.list:
            return _list(versions, folder)
        if args.unpin:
            return _unpin(versions)
        return _pin(versions, args.digest, folder)
    except (ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _list(versions: Versions, folder: Path) -> int:
    history = versions.history()
    if not history:
        print(f"no policy version is kept in {folder}", file=sys.stderr)
        return 2
    pin = versions.pinned()
    for version in reversed(history):
        notes = [
            word
            for word, holds in (
                ("served", version.digest == versions.current()),
                ("pinned", pin is not None and pin.digest == version.digest),
            )
            if holds
        ]
        print(f"{version.digest}  since {_when(version)}  {', '.join(notes)}".rstrip())
    return 0


def _unpin(versions: Versions) -> int:
    pinned = versions.pinned() is not None
    versions.unpin()
    print("the policy files are served again" if pinned else "no version was pinned")
    return 0


def _pin(versions: Versions, wanted: str | None, folder: Path) -> int:
    target = versions.find(wanted) if wanted else versions.previous()
    if target is None:
        which = f"one version that begins with {wanted!r}" if wanted else "a version before"
        print(f"there is not {which} in {folder}; see portcullis rollback --list", file=sys.stderr)
        return 2
    versions.pin(target)
    print(
        f"pinned {target}\nA running gateway takes it up by itself. It stays until your policy "
        "files change; `portcullis rollback --unpin` ends it now."
    )
    return 0


def _when(version: Version) -> str:
    return datetime.fromtimestamp(version.since, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
