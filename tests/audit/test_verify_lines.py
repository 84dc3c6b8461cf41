"""A captured log: several chains in one file, other lines between them, what a cut looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.audit.chain import Head, Seal
from gateway.audit.findings import Report
from gateway.audit.verify import Anchor
from gateway.audit.verify_lines import look_over, verify_lines
from gateway.audit.writer import AuditWriter
from tests.audit.logbook import DIGEST, KEY, OTHER_KEY, MemoryHeads, exchange_named
from tests.audit.test_chain_stream import Kept


@pytest.fixture
async def capture() -> tuple[list[bytes], list[Anchor]]:
    """Two workers' lines on one stream, and the heads that the state store has."""
    sink, heads = Kept(), MemoryHeads()
    writers = [
        AuditWriter(sink, KEY, heads, digest=DIGEST, name=f"worker-{number}", sync_every=0.001)
        for number in range(2)
    ]
    for writer in writers:
        await writer.start()
    for number in range(6):
        writers[number % 2].close(exchange_named(f"x{number}"))
        await writers[number % 2].flushed()
    for writer in writers:
        await writer.stop()
    return sink.lines, heads.anchors()


def check(
    lines: list[bytes], given: tuple[Anchor, ...] = (), stored: tuple[Anchor, ...] = ()
) -> Report:
    return verify_lines("f", lines, look_over(lines), [Seal(KEY)], given, stored)[0]


def test_chains_that_stand_between_each_other_and_other_lines_are_whole(
    capture: tuple[list[bytes], list[Anchor]],
) -> None:
    lines, anchors = capture
    lines = [b"Portcullis listens on http://x\n", *lines[:5], b"\n", b"noise\n", *lines[5:]]
    report, passed_over = verify_lines("f", lines, look_over(lines), [Seal(KEY)], stored=anchors)
    assert report.exit_code == 0
    assert passed_over == 2
    assert sum(chain.exchanges for chain in report.chains) == 6


@pytest.mark.parametrize(
    ("change", "troubles"),
    [
        (lambda lines: lines.pop(6), {"missing"}),
        (lambda lines: lines.__setitem__(6, lines[6].replace(b'"x', b'"y')), {"edited"}),
        (lambda lines: lines.__setitem__(6, b"what was here\n"), {"missing"}),
        (lambda lines: lines.insert(9, lines[6]), {"duplicate"}),
        (lambda lines: lines.pop(0), {"no_genesis"}),
    ],
)
def test_what_was_changed_is_found(
    capture: tuple[list[bytes], list[Anchor]],
    change: Callable[[list[bytes]], object],
    troubles: set[str],
) -> None:
    lines, anchors = capture
    change(lines)
    report = check(lines, stored=tuple(anchors))
    assert {problem.trouble.value for problem in report.problems} == troubles


def test_a_capture_that_ends_early_is_not_called_good_and_a_head_tells(
    capture: tuple[list[bytes], list[Anchor]],
) -> None:
    lines, anchors = capture
    early = lines[:-3]
    report = check(early, stored=tuple(anchors))
    assert (report.exit_code, report.problems) == (2, [])
    assert "or they were cut off" in " ".join(w for c in report.chains for w in c.unchecked)
    given = tuple(Anchor(each.head, "the head that was given") for each in anchors)
    assert {p.trouble.value for p in check(early, given=given).problems} == {"cut"}
    now = tuple(
        Anchor(chain.head, "the head that was given")
        for chain in check(early).chains
        if chain.head is not None
    )
    assert check(early, now, tuple(anchors)).exit_code == 0


def test_what_cannot_be_told_is_unchecked(capture: tuple[list[bytes], list[Anchor]]) -> None:
    lines, anchors = capture
    assert check([]).exit_code == 2
    assert check([b"nothing\n"]).exit_code == 2
    assert verify_lines("f", lines, look_over(lines), [Seal(OTHER_KEY)])[0].exit_code == 2
    elsewhere = Anchor(Head("worker-9-000000000000", 3, "0" * 64), "the head that was given")
    report = check(lines, (elsewhere,), tuple(anchors))
    assert (report.exit_code, report.problems) == (2, [])
