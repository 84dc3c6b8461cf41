"""`portcullis scan`: what the content rules would find in files, for a person or a pipeline.

It is the gateway's own engine on a text that never travels: the same rules, detectors and versions.
What is found is named and placed, never shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.names import read_names
from gateway.cli.sarif import sarif
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.policy.content_rule import ContentRule

KINDS = ("pii", "secrets", "injection")
STDIN = "-"

_POLICY = """\
version: 1
upstreams: {{scan: {{provider: openai, url: "http://127.0.0.1"}}}}
tenants: {{scan: {{policies: [scan]}}}}
default_tenant: scan
policies: {{scan: {{rules: [{rules}]}}}}
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding in one file. Lines and columns count from 1, in code points; `end` is behind the
    last one."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    rule: str
    entity: str
    score: float


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "scan",
        help="find personal data, secrets and injections in files",
        description="Find in files, or in what comes on stdin, what the rules would find on the "
        "wire. Exit 1 where something is found, 2 where a file cannot be read.",
    )
    parser.add_argument("paths", nargs="*", default=[STDIN], metavar="FILE", help="- is stdin")
    parser.add_argument(
        "--kinds",
        default="pii,secrets",
        metavar="LIST",
        help=f"with their default settings: {','.join(KINDS)} (default: pii,secrets)",
    )
    parser.add_argument("--policies", metavar="PATH", help="use the content rules of this policy")
    parser.add_argument("--tenant", metavar="T", help="and of this tenant (default: the default)")
    parser.add_argument("--format", choices=("table", "json", "sarif"), default="table")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: nothing was found; 1: something was; 2: not everything could be read."""
    try:
        rules = _rules(args)
    except (ConfigError, OSError) as error:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        print(*problems, sep="\n", file=sys.stderr)
        return 2
    hits: list[Hit] = []
    unread = 0
    for path in args.paths:
        try:
            text = _read(path)
            hits += scan(text, "stdin" if path == STDIN else path, rules)
        except (OSError, ValueError, ImportError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            unread += 1
    _print(hits, args.format, len(args.paths) - unread)
    return 2 if unread else int(bool(hits))


def scan(text: str, path: str, rules: Iterable[ContentRule]) -> list[Hit]:
    """What the rules find in a text, by place."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    hits = []
    for rule in rules:
        found = rule.scanner.find(text)
        ner = getattr(rule.options, "ner", None)
        if ner is not None and text:
            found = rule.combined(text, found, read_names(ner, text))
        for finding in found:
            first = bisect_right(starts, finding.start) - 1
            last = bisect_right(starts, finding.end - 1) - 1
            hits.append(
                Hit(
                    path,
                    first + 1,
                    finding.start - starts[first] + 1,
                    last + 1,
                    finding.end - starts[last] + 1,
                    rule.ref.id,
                    finding.entity,
                    round(finding.score, 2),
                )
            )
    return sorted(hits, key=lambda hit: (hit.line, hit.column, hit.rule))


def _rules(args: argparse.Namespace) -> Sequence[ContentRule]:
    """The content rules that were asked for. Raises ConfigError."""
    from gateway.cli.policy_argument import load_snapshot, snapshot_of
    from gateway.config.load import load_texts
    from gateway.policy.content_rule import ContentRule

    if args.policies:
        loaded, snapshot = load_snapshot(Path(args.policies))
    else:
        kinds = [kind.strip() for kind in args.kinds.split(",") if kind.strip()]
        if wrong := [kind for kind in kinds if kind not in KINDS] or not kinds:
            raise ConfigError([f"--kinds: expected some of {', '.join(KINDS)}, not {wrong}"])
        wanted = ", ".join(f"{{kind: {kind}}}" for kind in dict.fromkeys(kinds))
        loaded = load_texts({"scan": _POLICY.format(rules=wanted).encode()}, {})
        snapshot = snapshot_of(loaded)
    tenant = str(args.tenant or loaded.file.default_tenant)
    if tenant not in snapshot.tenants:
        names = ", ".join(snapshot.tenants)
        raise ConfigError([f"--tenant: name one of {names}"])
    rules = [rule for rule in snapshot.rules_for(tenant) if isinstance(rule, ContentRule)]
    if not rules:
        raise ConfigError([f"no rule of tenant {tenant!r} reads texts"])
    return rules


def _read(path: str) -> str:
    """A file's text. Raises OSError, or ValueError for what is no text."""
    data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    if b"\0" in data:
        raise ValueError("not a text: it has zero bytes")
    return data.decode("utf-8", "replace")


def _print(hits: Sequence[Hit], form: str, files: int) -> None:
    if form == "json":
        print(json.dumps([asdict(hit) for hit in hits], indent=2))
    elif form == "sarif":
        print(json.dumps(sarif(hits), indent=2))
    else:
        for hit in hits:
            print(f"{hit.path}:{hit.line}:{hit.column}  {hit.entity}  {hit.rule} ({hit.score:g})")
        found = f"{len(hits)} finding{'' if len(hits) == 1 else 's'}"
        print(f"{found} in {files} file{'' if files == 1 else 's'}")
