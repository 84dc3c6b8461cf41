"""`portcullis prices`: what models cost, which price a name gets and why, and what is wrong with
them."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

from gateway.cli.policy_argument import load_snapshot
from gateway.config.policy_file import PolicyFile
from gateway.config.units import Amount
from gateway.errors import ConfigError
from gateway.upstream.price_check import Fault, faults, unpriced
from gateway.upstream.price_model import ModelPrice
from gateway.upstream.price_override import Discount
from gateway.upstream.prices import Match, Prices, packaged_prices

MAX_AGE = 90
"""Days after which `--check` calls a price old: providers announce changes weeks ahead, or not."""

_RATES = ("input", "cache_read", "cache_write", "cache_write_1h", "output")
_HEADS = ("model", "provider", "input", "cached", "write", "write 1h", "output")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "prices",
        help="show what models cost, and check it",
        description="Show what models cost, in dollars for a million tokens. A name without * says "
        "which price it gets, and why; exit 1 where it has none.",
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help='names, or globs: "gpt-5*"')
    parser.add_argument("--provider", metavar="P", help="only the models of this provider")
    parser.add_argument("--policies", metavar="PATH", help="with the prices of this policy")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument(
        "--check",
        action="store_true",
        help="say what is wrong with the prices; exit 1 where something is",
    )
    parser.add_argument(
        "--max-age",
        type=int,
        default=MAX_AGE,
        metavar="DAYS",
        help=f"older prices are a fault (default: {MAX_AGE})",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 1 where something is wrong or unknown, 2 where the policy cannot be loaded or there
    is no such provider."""
    try:
        prices, policy = _prices(args.policies or os.environ.get("PORTCULLIS_POLICIES"))
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    known = sorted({price.provider for price in prices.models.values()})
    if args.provider is not None and args.provider not in known:
        print(f"no provider {args.provider!r} in the table: {', '.join(known)}", file=sys.stderr)
        return 2
    if args.check:
        return _check(prices, policy, args.max_age, args.format)
    globs = [name for name in args.models if "*" in name]
    found = [_resolved(prices, name) for name in args.models if name not in globs]
    shown = [each for each in found if isinstance(each, Match)]
    if globs or not args.models:
        shown += _listed(prices, globs)
    shown = [each for each in shown if args.provider in (None, each.price.provider)]
    _show(shown, prices.version, args.format)
    for each in found:
        print(_told(each) if isinstance(each, Match) else each, file=sys.stderr)
    return 1 if any(isinstance(each, str) for each in found) else 0


def _prices(path: str | None) -> tuple[Prices, PolicyFile | None]:
    if path is None:
        return packaged_prices(), None
    _, snapshot = load_snapshot(Path(path))
    return snapshot.prices, snapshot.file


def _resolved(prices: Prices, name: str) -> Match | str:
    """What a name gets, with itself as the model's name in what is shown; else why it gets none."""
    match = prices.match(name)
    if match is None:
        return f"{name}: no price; it counts like the dearest model of its provider"
    return Match(match.price, match.where, f"{name}={match.name}")


def _told(match: Match) -> str:
    asked, _, name = match.name.partition("=")
    where = "the policy file" if match.where == "policy" else "the packaged table"
    return f"{asked}: priced as {name} in {where}"


def _listed(prices: Prices, globs: Sequence[str]) -> list[Match]:
    """Every entry that some glob matches, the operator's first. A discount shows as the prices
    that it makes."""
    rows = []
    for name, entry in prices.overrides.items():
        if isinstance(entry, ModelPrice):
            rows.append(Match(entry, "policy", name))
    for name in prices.models:
        match = prices.match(name)
        if match is not None and isinstance(prices.overrides.get(match.name), Discount):
            rows.append(Match(match.price, "policy", name))
        elif match is not None and match.where == "table":
            rows.append(match)
    return [row for row in rows if not globs or any(fnmatchcase(row.name, glob) for glob in globs)]


def _check(prices: Prices, policy: PolicyFile | None, max_age: int, form: str) -> int:
    found = faults(prices, datetime.now(UTC).date(), max_age)
    if policy is not None:
        found += unpriced(prices, _named(policy))
    if form == "json":
        print(json.dumps([{"model": each.model, "fault": each.what} for each in found], indent=2))
    elif form == "csv":
        csv.writer(sys.stdout).writerows([("model", "fault"), *map(_cells, found)])
    else:
        for each in found:
            print(f"{each.model}: {each.what}")
        entries = len(prices.models) + len(prices.overrides)
        print(f"{entries} prices, version {prices.version}: {len(found)} faults")
    return 1 if found else 0


def _cells(fault: Fault) -> tuple[str, str]:
    return fault.model, fault.what


def _named(policy: PolicyFile) -> Iterable[str]:
    """Models that rules speak of: those that they allow, and those that they go over to."""
    for _, _, options in policy.rules():
        for key in ("allow", "downgrade_to"):
            if options.kind in ("model", "budget"):
                names = getattr(options, key, None) or ()
                yield from (names,) if isinstance(names, str) else names


def _show(rows: Sequence[Match], version: str, form: str) -> None:
    if form == "json":
        document = {"version": version, "models": [_fields(row) for row in rows]}
        print(json.dumps(document, indent=2))
    elif form == "csv":
        fields = [_fields(row) for row in rows]
        heads = list(dict.fromkeys(name for each in fields for name in each))
        writer = csv.DictWriter(sys.stdout, heads, restval="")
        writer.writeheader()
        writer.writerows(fields)
    elif rows:
        lines = [(*_HEADS, "context", "max output", "besides", "read")]
        _print([*lines, *(_line(row) for row in rows)])


def _fields(row: Match) -> dict[str, Any]:
    """A price as the policy file writes it: dollars are text, so that they stay exact."""
    price = row.price
    fields: dict[str, Any] = {"model": _name(row), "priced_as": price.name}
    fields |= {"provider": price.provider, "from": row.where}
    fields |= {name: _dollars(getattr(price, name)) for name in _RATES}
    fields |= {name: _dollars(rate) for name, rate in price.parts.items()}
    for name in ("search", "fee"):
        if getattr(price, name):
            fields[name] = _dollars(getattr(price, name))
    if price.batch != 1:
        fields["batch"] = _percent(price.batch)
    fields |= {mode.name: _percent(mode.times) for mode in price.modes}
    if price.long is not None:
        fields["above"] = price.long_above
        fields["above_input"] = _dollars(price.long.input)
        fields["above_output"] = _dollars(price.long.output)
    fields |= {"context": price.context, "max_output": price.max_output}
    origin = price.origin
    return fields | {"source": origin.url, "date": origin.date, "checked": origin.checked}


def _line(row: Match) -> tuple[str, ...]:
    price = row.price
    besides = [f"{name} {_dollars(rate)}" for name, rate in price.parts.items()]
    if price.long is not None:
        long = f"{_dollars(price.long.input)}, {_dollars(price.long.output)}"
        besides.append(f"above {price.long_above}: {long}")
    besides += [f"{mode.name} {_percent(mode.times)}" for mode in price.modes]
    if price.batch != 1:
        besides.append(f"batch {_percent(price.batch)}")
    for name in ("search", "fee"):
        if getattr(price, name):
            besides.append(f"{name} {_dollars(getattr(price, name))}")
    return (
        _name(row),
        price.provider,
        *(_dollars(getattr(price, name)) for name in _RATES),
        str(price.context or ""),
        str(price.max_output),
        "; ".join(besides),
        price.origin.date or price.origin.checked,
    )


def _name(row: Match) -> str:
    return row.name.partition("=")[0]


def _dollars(nano: int) -> str:
    return str(Amount(nano, "nanodollars"))


def _percent(times: Fraction) -> str:
    percent = times * 100
    if percent.denominator == 1:
        return f"{percent.numerator}%"
    return f"{float(percent):.4f}%"


def _print(lines: Sequence[tuple[str, ...]]) -> None:
    """Lines of cells, in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
