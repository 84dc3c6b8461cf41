"""What a check of the audit log can find, and how it is told.

Three states, because a log that could not be checked is neither good nor bad:
`ok` (exit code 0), `tampered` (1), `unchecked` (2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.audit.chain import Head

MOST_PROBLEMS = 100
"""Problems that one chain lists; of those beyond only the number is kept."""


class State(StrEnum):
    OK = "ok"
    TAMPERED = "tampered"
    UNCHECKED = "unchecked"


class Trouble(StrEnum):
    """What is wrong at a place of the log. Closed: docs/audit.md describes each."""

    NOT_A_RECORD = "not_a_record"  # a line that is none of ours
    EDITED = "edited"  # the line does not have the hash that it states
    FORGED = "forged"  # the hash is right, the MAC is not: written without the key
    MISSING = "missing"  # records were taken out before this one
    REORDERED = "reordered"  # it belongs further up
    DUPLICATE = "duplicate"  # its number was there already: inserted, or two writers
    UNLINKED = "unlinked"  # its number is right, but it does not follow the line before it
    FOREIGN = "foreign"  # it belongs to another chain
    NO_GENESIS = "no_genesis"  # the chain does not begin with its first record
    CUT = "cut"  # the log ends before a record that is known to have been written
    REPLACED = "replaced"  # a record is not the one that is known to have been written
    FILE_MISSING = "file_missing"  # the files of a chain are not numbered without a gap
    HEAD_FORGED = "head_forged"  # the state store's head was not signed with the key


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` counts from 1, 0 where it is the whole file; `seq` is the
    record's own number, -1 where there is none."""

    trouble: Trouble
    file: str
    line: int
    seq: int
    detail: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        number = f" (record {self.seq})" if self.seq >= 0 else ""
        return f"{place}{number}: {self.detail}"


@dataclass(slots=True)
class ChainReport:
    """One chain.

    Attributes:
        head: the last line; an anchor for later checks.
        state: where the gateway that wrote it last keeps the heads.
        unchecked: what could not be looked at, as sentences.
        notes: what is worth knowing and no tampering.
        unfinished: ids of exchanges that were opened and never closed: their process died.
        running: ids of exchanges that are open while their process still writes.
    """

    chain: str
    files: int = 0
    records: int = 0
    exchanges: int = 0
    head: Head | None = None
    state: str = ""
    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def add(self, trouble: Trouble, file: str, line: int, seq: int, detail: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(trouble, file, line, seq, detail))
        else:
            self.more_problems += 1


@dataclass(slots=True)
class Report:
    """A whole folder."""

    chains: list[ChainReport] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[Problem]:
        return [problem for chain in self.chains for problem in chain.problems]

    @property
    def state(self) -> State:
        if self.problems:
            return State.TAMPERED
        if self.unchecked or any(chain.unchecked for chain in self.chains):
            return State.UNCHECKED
        return State.OK

    @property
    def exit_code(self) -> int:
        return {State.OK: 0, State.TAMPERED: 1, State.UNCHECKED: 2}[self.state]
