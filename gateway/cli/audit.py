"""`portcullis audit`: check that nobody changed the audit log, and show what it says."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import orjson

from gateway.audit.chain import Head, Seal
from gateway.audit.findings import ChainReport, Report, State
from gateway.audit.heads import StoreHeads
from gateway.audit.reading import exchanges, last_state
from gateway.audit.verify import Anchor, verify
from gateway.audit.verify_lines import look_over, verify_lines
from gateway.cli.audit_show import row, story
from gateway.config.keys import derive, load_master_key
from gateway.config.settings import Settings, read_settings
from gateway.errors import ConfigError
from gateway.state.redis_url import is_redis
from gateway.state.store import Store, StoreError

_SQLITE = "sqlite:///"
_LISTED = 10
_LONGEST_LINE = 1 << 24


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "audit",
        help="verify the audit log, or show its records",
        description="Verify the audit log, or show its records. docs/audit.md says what can be "
        "proven and what cannot.",
    )
    actions = parser.add_subparsers(dest="action", metavar="verify|show", required=True)
    for name, (text, add_arguments) in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--audit", metavar="DIR", help="the audit folder [PORTCULLIS_AUDIT]")
        action.add_argument("--json", action="store_true", help="print JSON")
        add_arguments(action)
    parser.set_defaults(func=run)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="lines captured from stdout or a collector, - for stdin (default: the audit folder)",
    )
    parser.add_argument(
        "--state",
        metavar="URL",
        help="where the heads are kept [PORTCULLIS_STATE] (default: where the log says)",
    )
    parser.add_argument(
        "--master-key",
        metavar="FILE",
        action="append",
        default=[],
        help="a master key of before, besides the present one; may be repeated",
    )
    parser.add_argument(
        "--head",
        metavar="CHAIN:NUMBER:HASH",
        action="append",
        default=[],
        help="a head that lies elsewhere, as the gateway's log has one every minute",
    )


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--last", action="store_true", help="the last exchange")
    which.add_argument("--id", metavar="ID", help="the exchange whose id begins so")
    which.add_argument("-n", type=int, metavar="N", help="the last N exchanges, one a line")


_ACTIONS = {
    "verify": ("find every edit, deletion, insertion and cut, and say where", _verify_arguments),
    "show": ("show exchanges: the last ones, or one", _show_arguments),
}


def run(args: argparse.Namespace) -> int:
    """verify: 0 unchanged, 1 changed, 2 could not check. show: 1 nothing found, 2 unreadable."""
    given = {"audit": args.audit, "state": getattr(args, "state", None)}
    try:
        settings = read_settings(given, os.environ)
        return _verify(args, settings) if args.action == "verify" else _show(args, settings.audit)
    except ConfigError as error:
        problems: Sequence[str] = error.problems
    except OSError as error:
        problems = [f"{error.filename or args.audit}: {error.strerror or error}"]
    for problem in problems:
        print(f"portcullis audit: {problem}", file=sys.stderr)
    return 2


# --- verify ---


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    anchors = [Anchor(_head(text), "the head that was given") for text in args.head]
    seals = [
        Seal(derive(load_master_key(path), "audit"))
        for path in (settings.master_key, *(Path(name) for name in args.master_key))
    ]
    if args.file:
        return _verify_file(args, settings, seals, anchors)
    if settings.audit_sink:
        raise ConfigError(
            [f"the audit log goes to {settings.audit_sink}: name a FILE of its lines"]
        )
    try:
        written = last_state(settings.audit)
    except OSError:
        written = ""
    chains = {path.name.split(".")[0] for path in settings.audit.glob("*.jsonl")}
    folder = str(settings.audit.resolve())
    found, forged, trouble = _known(args, settings, seals, written, chains, folder)
    report = verify(settings.audit, seals, [*anchors, *found], forged_heads=forged)
    if trouble:
        report.unchecked.append(trouble)
    print(_as_json(report, settings.audit) if args.json else _in_words(report, settings.audit))
    return report.exit_code


def _verify_file(
    args: argparse.Namespace,
    settings: Settings,
    seals: Sequence[Seal],
    anchors: Sequence[Anchor],
) -> int:
    name = "stdin" if args.file == "-" else args.file
    with contextlib.ExitStack() as stack:
        if args.file == "-":
            file: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            file = stack.enter_context(Path(args.file).open("rb"))
        file.seek(0)
        captured = look_over(_lines_of(file))
        written = next((each.state for each in captured.values() if each.state), "")
        found, forged, trouble = _known(args, settings, seals, written, captured, "")
        file.seek(0)
        report, passed_over = verify_lines(
            name, _lines_of(file), captured, seals, anchors, found, forged_heads=forged
        )
    if trouble:
        report.unchecked.append(trouble)
    print(_as_json(report, Path(name)) if args.json else _in_words(report, Path(name)))
    if passed_over and not args.json:
        print(f"  {passed_over} lines that are no records of an audit log were passed over")
    return report.exit_code


def _lines_of(file: IO[bytes]) -> Iterator[bytes]:
    while raw := file.readline(_LONGEST_LINE):
        yield raw


def _known(
    args: argparse.Namespace,
    settings: Settings,
    seals: Sequence[Seal],
    written: str,
    chains: Collection[str],
    folder: str,
) -> tuple[list[Anchor], list[str], str]:
    """What the state store knows (see `_heads`): the one that was named, or that the log names."""
    state = _state(args.state, settings, os.environ, written)
    if is_redis(state) and state != settings.state:
        # An edited log must not say to whom a password is sent.
        return [], [], f"the log says that its heads are kept in {state}: name that with --state"
    return _heads(state, seals, chains, folder)


def _head(text: str) -> Head:
    chain, _, rest = text.partition(":")
    number, _, hashed = rest.partition(":")
    if not (chain and number.isascii() and number.isdigit() and len(hashed) == 64):
        raise ConfigError([f"--head: expected CHAIN:NUMBER:HASH, not {text[:80]!r}"])
    return Head(chain, int(number), hashed)


def _state(
    given: str | None, settings: Settings, variables: Mapping[str, str], written: str
) -> str:
    """The state that was named; else the one that the log itself names; else the default."""
    named = given is not None or variables.get("PORTCULLIS_STATE")
    if not named and (written.startswith((_SQLITE, "memory")) or is_redis(written)):
        return written
    return settings.state


def _heads(
    url: str, seals: Sequence[Seal], chains: Collection[str], folder: str
) -> tuple[list[Anchor], list[str], str]:
    """Heads of the state store, chains whose head there is forged, and what went wrong."""
    from gateway.state.open import open_store

    if not url.startswith(_SQLITE) and not is_redis(url):
        return [], [], ""
    path = Path(url.removeprefix(_SQLITE))
    if url.startswith(_SQLITE) and not path.exists():
        return [], [], f"{path}: the state store is not there, so a cut tail would not show"
    store = open_store(url, time.time)
    readers = [StoreHeads(store, seal, folder) for seal in seals]
    try:
        heads = asyncio.run(_read_heads(store, readers, chains))
    except StoreError as error:
        return [], [], f"the state store could not be read: {error}"
    forged = {chain for reader in readers for chain in reader.forged} - {h.chain for h in heads}
    return [Anchor(head, "the state store") for head in heads], sorted(forged), ""


async def _read_heads(
    store: Store, readers: Sequence[StoreHeads], chains: Collection[str]
) -> list[Head]:
    """The heads that are kept for the folder, and those of chains that were moved into it."""
    found: dict[str, Head] = {}
    await store.open()
    try:
        for reader in readers:
            known = await reader.load()
            known += [head for name in chains if (head := await reader.head(name)) is not None]
            found.update({head.chain: head for head in known})
    finally:
        await store.close()
    return list(found.values())


def _as_json(report: Report, folder: Path) -> str:
    shown = {
        "folder": str(folder),
        "state": report.state,
        "unchecked": report.unchecked,
        "chains": [dataclasses.asdict(chain) for chain in report.chains],
    }
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()


def _in_words(report: Report, folder: Path) -> str:
    records = sum(chain.records for chain in report.chains)
    exchanges_ended = sum(chain.exchanges for chain in report.chains)
    verdict = {
        State.OK: "unchanged",
        State.TAMPERED: "TAMPERED WITH",
        State.UNCHECKED: "COULD NOT BE CHECKED",
    }[report.state]
    lines = [f"{folder}: {verdict}. {records} records, {exchanges_ended} exchanges."]
    for chain in report.chains:
        lines += _chain_lines(chain)
    lines += [f"  not checked: {what}" for what in report.unchecked]
    return "\n".join(lines)


def _chain_lines(chain: ChainReport) -> list[str]:
    head = f", head {chain.head.seq} {chain.head.hash[:16]}" if chain.head else ""
    files = "1 file" if chain.files == 1 else f"{chain.files} files"
    lines = [f"  chain {chain.chain}: {chain.records} records in {files}{head}"]
    lines += [f"    {problem.trouble.value}: {problem}" for problem in chain.problems]
    if chain.more_problems:
        lines.append(f"    and {chain.more_problems} more")
    lines += [f"    not checked: {what}" for what in chain.unchecked]
    lines += [f"    note: {note}" for note in chain.notes]
    for what, ids in (("never closed", chain.unfinished), ("still running", chain.running)):
        if ids:
            named = ", ".join(ids[:_LISTED])
            rest = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
            lines.append(f"    {what}: {named}{rest}")
    return lines


# --- show ---


def _show(args: argparse.Namespace, folder: Path) -> int:
    wanted = exchanges(folder, args.id or "")
    single = args.last or args.id
    count = 1 if single else args.n if args.n is not None else _LISTED
    entries = list(itertools.islice(wanted, max(1, count)))
    if not entries:
        what = f"no exchange whose id begins with {args.id}" if args.id else "no exchange yet"
        print(f"{folder}: {what}", file=sys.stderr)
        return 1
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for entry in entries if single else reversed(entries):
        if args.json:
            print(orjson.dumps({**entry.record, "hash": entry.hash}).decode())
        else:
            print((story if single else row)(entry, colour=colour))
    return 0
