"""Where the time of an exchange went: from the marks that stations leave to durations.

A mark is `(station, nanoseconds)` at the moment the station was left, on a monotonic clock. The
first mark is where the count begins (`accept`: the request's head was there) and has no duration of
its own; `first_byte`, when the caller's first byte was handed over, is a moment and no station.
"""

from __future__ import annotations

from collections.abc import Sequence

ACCEPT = "accept"
FIRST_BYTE = "first_byte"
UPSTREAM = "upstream"

STATIONS = (
    "identify",
    "read",
    "decode",
    "session",
    "rules",
    "open",
    "upstream",
    "answer",
    "answer_rules",
    "settle",
    "record",
)
"""The stations in their order, as marks, metrics and records name them.

`read`: the request's body has come. `rules`: the policy on the request. `open`: the audit's
opening line. `upstream`: until the head of upstream's answer is there. `answer`: until its body
is; of a stream, until its last piece went through the rules. `answer_rules`: the policy on a whole
answer. `settle`: what was reserved is put right. `record`: the audit's closing line.
"""


def durations(marks: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Nanoseconds spent in each station; a station that was left twice counts both times."""
    spent: dict[str, int] = {}
    if not marks:
        return spent
    before = marks[0][1]
    for station, at in marks[1:]:
        if station == FIRST_BYTE:
            continue
        spent[station] = spent.get(station, 0) + at - before
        before = at
    return spent


def total(marks: Sequence[tuple[str, int]]) -> int:
    """Nanoseconds from the first mark to the last one."""
    return marks[-1][1] - marks[0][1] if marks else 0


def time_to_first_byte(marks: Sequence[tuple[str, int]]) -> int | None:
    """Nanoseconds until the caller's first byte was written; None where nobody marked it."""
    for station, at in marks:
        if station == FIRST_BYTE:
            return at - marks[0][1]
    return None
