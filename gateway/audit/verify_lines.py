"""Checks an audit log that was captured from a stream: one file of lines, of any number of chains.

Rules of this file:
- Lines that are no records (what else a program prints) are passed over and counted. A record that
  was made into such a line is missing from its chain, and found by that.
- A capture ends when it was taken. Where the state store knows of more records than are here, and
  the last process did not end in order, nobody can tell a capture of a running gateway from a cut
  one: that is `unchecked`, never `ok`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.audit.chain import RecordType, Seal, read_line
from gateway.audit.findings import Report, Trouble
from gateway.audit.verify import Anchor, ChainCheck

MOST_CHAINS = 10_000
"""Chains of one file; lines of further ones are not looked at, and the report says so."""


@dataclass(slots=True)
class Captured:
    """What a first look finds of a chain: its last number, whether its process ended in order
    there, and where its heads are kept."""

    last: int = -1
    stopped: bool = False
    state: str = ""


def look_over(lines: Iterable[bytes]) -> dict[str, Captured]:
    """The chains of a file, by name."""
    found: dict[str, Captured] = {}
    for raw in lines:
        line = read_line(raw.rstrip(b"\r\n"))
        if line is None or (line.record["chain"] not in found and len(found) >= MOST_CHAINS):
            continue
        record = line.record
        chain = found.setdefault(record["chain"], Captured())
        if record["seq"] >= chain.last:
            chain.last = record["seq"]
            chain.stopped = record["type"] == RecordType.STOPPED
        if record["type"] == RecordType.STARTED:
            chain.state = str(record.get("state", ""))
    return found


def verify_lines(
    name: str,
    lines: Iterable[bytes],
    captured: Mapping[str, Captured],
    seals: Sequence[Seal],
    given: Sequence[Anchor] = (),
    stored: Sequence[Anchor] = (),
    *,
    forged_heads: Sequence[str] = (),
) -> tuple[Report, int]:
    """Check every chain of a file; the report, and how many lines were passed over.

    Args:
        name: what the file is called in the report.
        captured: what `look_over` found in the same lines.
        given: heads from elsewhere: their chains MUST reach as far.
        stored: heads of the state store.
        forged_heads: chains whose head there has a wrong signature.
    """
    report = Report()
    if not seals:
        report.unchecked.append("without the audit key nobody can tell who wrote these records")
    late = {
        anchor.head.chain: anchor
        for anchor in stored
        if (found := captured.get(anchor.head.chain)) is not None
        and anchor.head.seq > found.last
        and not found.stopped
    }
    anchors = [*given, *(each for each in stored if each.head.chain not in late)]
    checks = {
        chain: ChainCheck(chain, seals, [a for a in anchors if a.head.chain == chain])
        for chain in captured
    }
    passed_over = 0
    for number, raw in enumerate(lines, 1):
        stripped = raw.rstrip(b"\r\n")
        line = read_line(stripped)
        check = checks.get(line.record["chain"]) if line is not None else None
        if check is None:
            passed_over += bool(stripped)
        else:
            check.take(name, number, stripped)
    named = {anchor.head.chain for anchor in given}
    for chain, check in checks.items():
        check.finish(running=not captured[chain].stopped, anchored=chain in late)
        if chain in late and chain not in named:
            more = late[chain].head.seq - captured[chain].last
            check.report.unchecked.append(
                f"chain {chain} ends here with record {captured[chain].last}, and {more} more were "
                "written: after this was captured, or they were cut off. A head from before "
                "(--head) tells which"
            )
        if chain in forged_heads and check.has_key:
            detail = f"the state store's head of chain {chain} was not signed with the audit key"
            check.report.add(Trouble.HEAD_FORGED, name, 0, -1, detail)
        report.chains.append(check.report)
    for chain in sorted(named - captured.keys()):
        report.unchecked.append(f"{name}: nothing of chain {chain} is in it, whose head was given")
    if not checks:
        report.unchecked.append(f"{name}: there is no record of an audit log in it")
    return report, passed_over
