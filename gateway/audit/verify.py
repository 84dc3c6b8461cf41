"""Reads an audit log and says whether anybody changed it, and where.

Rules of this file:
- Independent of the writer: it shares `audit/chain.py` with it and nothing else.
- What could not be looked at is never `ok`.
- A crash is no tampering: half a last line, and exchanges that were never closed, are notes.
- What it can show and what it cannot stands in docs/audit.md; change both together.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.chain import NO_HASH, VERSION, Head, Line, RecordType, Seal, read_line
from gateway.audit.findings import ChainReport, Report, Trouble

_NAME = re.compile(r"(?P<chain>(?P<writer>.+)-[0-9a-f]{12})\.(?P<number>[0-9]{6,})\.jsonl")
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class Anchor:
    """A record that is known to have been written; `source` says who knows it.

    `here`: its chain must be in this folder.
    """

    head: Head
    source: str
    here: bool = True


def verify(
    folder: Path,
    seals: Sequence[Seal],
    anchors: Sequence[Anchor] = (),
    *,
    forged_heads: Sequence[str] = (),
) -> Report:
    """Check every chain of a folder.

    Args:
        seals: the audit key, and older ones: each chain names the key that it was written with.
        anchors: heads from the state store and from elsewhere. They MUST have been read before
            this is called: a log that is being written is longer than they say, never shorter.
        forged_heads: chains whose head in the state store has a wrong signature.
    """
    report = Report()
    try:
        chains = _chains(folder)
    except OSError as error:
        report.unchecked.append(f"{folder}: {error.strerror or error}")
        return report
    if not seals:
        report.unchecked.append("without the audit key nobody can tell who wrote these records")
    for name, files in chains.items():
        check = ChainCheck(name, seals, [a for a in anchors if a.head.chain == name])
        check.walk(files)
        check.finish(running=is_latest(name, chains) and _is_locked(folder, name))
        report.chains.append(check.report)
        if name in forged_heads and check.has_key:
            detail = f"the state store's head of chain {name} was not signed with the audit key"
            check.report.add(Trouble.HEAD_FORGED, name, 0, -1, detail)
    report.chains += _lost_chains(chains, anchors)
    if not report.chains:
        report.unchecked.append(f"{folder}: there is no audit log in this folder")
    return report


def _chains(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Chain -> its files in order."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match:
            found.setdefault(match["chain"], []).append((int(match["number"]), path))
    for files in found.values():
        files.sort()
    return found


def is_latest(chain: str, chains: Sequence[str] | dict[str, list[tuple[int, Path]]]) -> bool:
    """Whether no later chain of the same writer is there."""
    writer = chain[:-13]
    return chain == max(name for name in chains if name[:-13] == writer)


def _is_locked(folder: Path, chain: str) -> bool:
    """Whether a process is writing this chain now."""
    try:
        fd = os.open(folder / f"{chain[:-13]}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _lost_chains(
    chains: dict[str, list[tuple[int, Path]]], anchors: Sequence[Anchor]
) -> list[ChainReport]:
    lost: dict[str, ChainReport] = {}
    for anchor in anchors:
        name, last = anchor.head.chain, anchor.head.seq
        if anchor.here and name not in chains and name not in lost:
            lost[name] = ChainReport(name)
            detail = f"all {last + 1} records of this chain are gone; {anchor.source} knows of them"
            lost[name].add(Trouble.CUT, name, 0, -1, detail)
    return list(lost.values())


class ChainCheck:
    """Walks the lines of one chain, keeping what the next line must be."""

    def __init__(self, chain: str, seals: Sequence[Seal], anchors: Sequence[Anchor]) -> None:
        self.report = ChainReport(chain)
        self._anchors = anchors
        self._anchored = {anchor.head.seq for anchor in anchors}
        self._hashes: dict[int, str] = {}  # of the lines that anchors name
        self._seals = {seal.key_id: seal for seal in seals}
        self._seal: Seal | None = None
        self._first = True
        self._seq = -1
        self._prev = NO_HASH
        self._doubtful = 0  # lines since the last sound one: their numbers cannot be relied on
        self._gaps: list[range] = []  # numbers that were missing where they belonged
        self._place = ("", 0)
        self._open: dict[str, None] = {}
        self._started_at = -1  # the record that began the run that is not over yet

    @property
    def has_key(self) -> bool:
        """Whether the key that the chain names is at hand."""
        return self._seal is not None

    def take(self, name: str, number: int, raw: bytes) -> None:
        """Look at a line (without its line break) of a file that holds several chains."""
        self._place = (name, number)
        self.report.files = 1
        self._line(raw)

    def walk(self, files: Sequence[tuple[int, Path]]) -> None:
        expected = 1
        for number, path in files:
            self._place = (path.name, 0)
            if number != expected:
                self._add(Trouble.FILE_MISSING, -1, "a file of this chain before it is missing")
            expected = number + 1
            try:
                self._file(path, is_last=path == files[-1][1])
            except OSError as error:
                self.report.unchecked.append(f"{path.name}: {error.strerror or error}")
                self._doubtful += 1 << 62  # any number of lines
        self.report.files = len(files)

    def _add(self, trouble: Trouble, seq: int, detail: str) -> None:
        file, line = self._place
        self.report.add(trouble, file, line, seq, detail)

    # --- lines ---

    def _file(self, path: Path, *, is_last: bool) -> None:
        for number, raw in enumerate(_lines(path), 1):
            self._place = (path.name, number)
            if raw.endswith(b"\n"):
                self._line(raw[:-1])
            elif is_last and _may_be_torn(raw):
                self.report.notes.append(
                    f"{path.name}:{number}: half a line ({len(raw)} bytes) at the end, as a crash "
                    "leaves it; the next start cuts it off and records that"
                )
            else:
                self._not_a_record()

    def _not_a_record(self) -> None:
        self._add(Trouble.NOT_A_RECORD, -1, "this line is not a record")
        self._doubtful += 1

    def _line(self, raw: bytes) -> None:
        line = read_line(raw)
        if line is None or line.record["v"] != VERSION:
            self._not_a_record()
            return
        if self._first:
            self._first = False
            self._choose_key(line)
        seq = line.record["seq"]
        if line.record["chain"] != self.report.chain:
            self._add(Trouble.FOREIGN, seq, "this record belongs to another chain")
            return
        self.report.records += 1
        if not self._is_sound(line):
            self._doubtful += 1
        elif self._check_place(line):
            self._seq, self._prev, self._doubtful = seq, line.hash, 0
            if seq in self._anchored:
                self._hashes[seq] = line.hash
        self._count(line)

    def _choose_key(self, line: Line) -> None:
        """The key that the chain's first record names; without one, the one at hand."""
        if not self._seals:
            return
        named = line.record.get("key")
        if line.record["type"] != RecordType.GENESIS or not isinstance(named, str):
            self._seal = next(iter(self._seals.values()))
            return
        self._seal = self._seals.get(named)
        if self._seal is None:
            self.report.unchecked.append(
                f"chain {self.report.chain} was written with the audit key {named:.16}, and the "
                f"one at hand is {', '.join(self._seals)}: name the master key of that time"
            )

    def _is_sound(self, line: Line) -> bool:
        """Whether a line says what it said when it was written."""
        seq = line.record["seq"]
        if line.computed != line.hash:
            self._add(Trouble.EDITED, seq, "this record was edited")
            return False
        if self._seal is not None and line.mac != self._seal.mac(line.hash):
            self._add(Trouble.FORGED, seq, "this record was not written with the audit key")
            return False
        return True

    def _check_place(self, line: Line) -> bool:
        """Whether a sound line is the chain's next one; what it is instead is reported."""
        seq, expected = line.record["seq"], self._seq + 1
        if seq < expected:
            self._check_misplaced(seq)
            return False
        if seq > expected + self._doubtful:
            self._report_gap(expected, seq - 1)
        elif seq == 0:
            if line.record["type"] != RecordType.GENESIS or line.record["prev"] != NO_HASH:
                self._add(Trouble.NO_GENESIS, seq, "the chain does not begin with a genesis record")
        elif not self._doubtful and line.record["prev"] != self._prev:
            self._add(Trouble.UNLINKED, seq, "this record does not follow the one before it")
        return True

    def _check_misplaced(self, seq: int) -> None:
        if any(seq in gap for gap in self._gaps):
            detail = f"this record belongs further up, before record {self._seq}"
            self._add(Trouble.REORDERED, seq, detail)
        else:
            self._add(Trouble.DUPLICATE, seq, f"there is a record {seq} already")

    def _report_gap(self, first: int, last: int) -> None:
        what = f"record {first} is" if first == last else f"records {first} to {last} are"
        trouble = Trouble.MISSING if first else Trouble.NO_GENESIS
        self._add(trouble, last + 1, f"{what} missing before this one")
        if len(self._gaps) < 1000:
            self._gaps.append(range(first, last + 1))

    # --- what the lines tell ---

    def _count(self, line: Line) -> None:
        kind, record = line.record["type"], line.record
        if kind == RecordType.OPENED:
            self._open[str(record.get("id"))] = None
        elif kind == RecordType.CLOSED:
            self._open.pop(str(record.get("id")), None)
            self.report.exchanges += 1
        elif kind == RecordType.STARTED:
            self._end_run(in_order=self._started_at < 0)
            self._started_at = record["seq"]
            self.report.state = str(record.get("state", ""))
        elif kind == RecordType.STOPPED:
            self._end_run(in_order=True)
            self._started_at = -1
        elif kind == RecordType.RECOVERED:
            self._note(f"half a line of {record.get('bytes')} bytes was cut off after a crash")
        elif kind == RecordType.GAP:
            self._note(f"{record.get('lines')} lines could not be written: {record.get('why')}")

    def _note(self, text: str) -> None:
        file, line = self._place
        self.report.notes.append(f"{file}:{line}: {text}")

    def _end_run(self, *, in_order: bool) -> None:
        if not in_order:
            self._note(
                f"the process that began at record {self._started_at} was killed, with "
                f"{len(self._open)} exchange{'s' if len(self._open) != 1 else ''} open"
            )
        self.report.unfinished += self._open
        self._open.clear()

    # --- the end ---

    def finish(self, *, running: bool, anchored: bool = False) -> None:
        """Compare with what is known from elsewhere, and say what is still open.

        Args:
            anchored: something is known that is compared elsewhere.
        """
        report = self.report
        if running:
            report.running += self._open
        else:
            self._end_run(in_order=self._started_at < 0)
        if self._seq >= 0:
            report.head = Head(report.chain, self._seq, self._prev)
        elif not report.problems:
            report.unchecked.append(f"chain {report.chain} has no record yet")
        for anchor in self._anchors:
            self._check_anchor(anchor)
        if not self._anchors and not anchored:
            self._unanchored()

    def _check_anchor(self, anchor: Anchor) -> None:
        known = anchor.head
        if known.seq > self._seq + self._doubtful:
            missing = known.seq - self._seq
            self._add(
                Trouble.CUT,
                -1,
                f"the log ends here with record {self._seq}; {missing} more had been written, "
                f"as {anchor.source} knows",
            )
        elif self._hashes.get(known.seq, known.hash) != known.hash:
            detail = f"record {known.seq} is not the one that {anchor.source} knows"
            self._add(Trouble.REPLACED, known.seq, detail)

    def _unanchored(self) -> None:
        chain, state = self.report.chain, self.report.state
        if state.startswith("memory"):
            self.report.notes.append(
                f"chain {chain}: no head is kept ({state}), so a cut tail would not show"
            )
        else:
            self.report.unchecked.append(
                f"chain {chain}: no head of it was found in the state store, so a cut tail would "
                "not show"
            )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while raw := file.readline(_LONGEST_LINE):
            yield raw


def _may_be_torn(raw: bytes) -> bool:
    """Whether a crash can have left these bytes: a line's beginning, or what a power cut leaves."""
    return raw.startswith(b'{"') or raw == b"{" or not raw.strip(b"\0")
