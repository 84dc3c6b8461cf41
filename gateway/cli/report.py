"""`portcullis report`: what was used and spent, from the audit log."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import orjson

from gateway.audit.chain import RecordType
from gateway.audit.spending import COLUMNS, DIMENSIONS, NOBODY, Spending, Sums, calls
from gateway.cli.printable import printable
from gateway.config.settings import read_settings
from gateway.config.units import parse_duration
from gateway.errors import ConfigError

NANO = 1_000_000_000
_SHOWN = ("calls", "stopped", "failed", "input", "cache_read", "cache_write", "output", "cost")
_END = "9999"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "report",
        help="what was used and spent, from the audit log",
        description="Add up calls, tokens and dollars from the audit log. Exit 1 where there is "
        "nothing to add up, 2 where the log cannot be read.",
    )
    parser.add_argument("--audit", metavar="DIR", help="the audit folder [PORTCULLIS_AUDIT]")
    parser.add_argument(
        "--by",
        default="tenant,model",
        metavar="LIST",
        help=f"what rows are made by, with commas: {' '.join(DIMENSIONS)} (default: tenant,model)",
    )
    parser.add_argument(
        "--since", default="30d", metavar="WHEN", help="a date, or so long ago (default: 30d)"
    )
    parser.add_argument("--until", metavar="WHEN", help="a date, not included (default: now)")
    parser.add_argument("--timezone", default="UTC", metavar="ZONE", help="of days (default: UTC)")
    parser.add_argument("--tenant", metavar="T", help="this tenant alone")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: there is something; 1: there is nothing; 2: it could not be read."""
    try:
        settings = read_settings({"audit": args.audit}, os.environ)
        by = _dimensions(args.by)
        zone = _zone(args.timezone)
        since, until = _moment(args.since, zone), _moment(args.until, zone) or _END
        spending = Spending(by, zone)
        for record in calls(settings.audit, since, until):
            if args.tenant in (None, record.get("who", {}).get("tenant")):
                if record["type"] == RecordType.CLOSED:
                    spending.add(record)
                else:
                    spending.unfinished += 1
    except ConfigError as error:
        print(*(f"portcullis report: {each}" for each in error.problems), sep="\n", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename or args.audit}: {error.strerror or error}"
        print(f"portcullis report: {where}", file=sys.stderr)
        return 2
    if not spending.total.calls and not spending.unfinished:
        print(f"{settings.audit}: no calls in that time", file=sys.stderr)
        return 1
    _FORMATS[args.format](spending, by)
    return 0


def _dimensions(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown:
        known = ", ".join(DIMENSIONS)
        raise ConfigError([f"--by: {unknown[0]!r} is not one of {known}"])
    return names


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ConfigError([f"--timezone: there is no zone {name!r}; try Europe/Berlin"]) from None


def _moment(text: str | None, zone: tzinfo) -> str:
    """`7d` ago, or `2026-11-01` in the zone, as records write their time; "" for none."""
    if text is None:
        return ""
    try:
        moment = datetime.fromtimestamp(time.time() - parse_duration(text), UTC)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            expected = "expected a date (2026-11-01) or a time ago (7d)"
            raise ConfigError([f"{expected}, not {text[:40]!r}"]) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- formats ---


def _in_order(spending: Spending, by: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Sums]]:
    """Days in their order, else the dearest first."""
    timed = [index for index, name in enumerate(by) if name in ("day", "month")]
    rows = sorted(spending.rows.items(), key=lambda row: (-row[1].cost, -row[1].calls, row[0]))
    yield from sorted(rows, key=lambda row: [row[0][index] for index in timed])


def _table(spending: Spending, by: Sequence[str]) -> None:
    lines = [[*by, *(name.replace("_", " ") for name in _SHOWN)]]
    for values, sums in _in_order(spending, by):
        lines.append([*(printable(value[:40]) for value in values), *_cells(sums)])
    if len(spending.rows) > 1:
        lines.append(["total", *[""] * (len(by) - 1), *_cells(spending.total)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < len(by) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells))
    for note in _notes(spending, by):
        print(note)


def _notes(spending: Spending, by: Sequence[str]) -> Iterator[str]:
    if "rule" in by and len(spending.rows) > 1:
        yield "A call counts in the row of every rule that had a say in it; in the total once."
    if spending.total.estimated:
        yield f"{spending.total.estimated} calls: the provider did not tell their use; estimated."
    if spending.unfinished:
        yield (
            f"{spending.unfinished} calls were begun and never closed: they run, or their process "
            "was killed. What they used is not in here; budgets were charged what they reserved."
        )


def _cells(sums: Sums) -> list[str]:
    counts = [str(getattr(sums, name)) for name in _SHOWN[:-1]]
    return [*counts, f"${_dollars(sums.cost)}"]


def _dollars(nano: int) -> str:
    """Exact, with two decimals at least."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def _csv(spending: Spending, by: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*by, *COLUMNS[:-1], "cost_dollars"])
    for values, sums in _in_order(spending, by):
        counts = [getattr(sums, name) for name in COLUMNS[:-1]]
        writer.writerow([*(_plain(value) for value in values), *counts, _dollars(sums.cost)])


def _plain(value: str) -> str:
    """A caller's word must not become a formula in a spreadsheet."""
    return f"'{value}" if value[:1] in "=+-@\t\r" and value != NOBODY else value


def _json(spending: Spending, by: Sequence[str]) -> None:
    def told(sums: Sums) -> dict[str, object]:
        counts: dict[str, object] = {name: getattr(sums, name) for name in COLUMNS[:-1]}
        return {**counts, "cost_nanodollars": sums.cost}

    rows = [
        {**dict(zip(by, values, strict=True)), **told(sums)}
        for values, sums in _in_order(spending, by)
    ]
    shown = {"rows": rows, "total": told(spending.total), "unfinished": spending.unfinished}
    print(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())


_FORMATS = {"table": _table, "csv": _csv, "json": _json}
