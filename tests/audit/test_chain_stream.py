"""A chain on a stream: bounded, in order, with the stream before its head is saved."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from gateway.audit import chain_stream
from gateway.audit import writer as writing
from gateway.audit.chain import RecordType, Seal
from gateway.audit.verify_lines import look_over, verify_lines
from gateway.audit.writer import AuditError, AuditWriter
from tests.audit.logbook import DIGEST, KEY, MemoryHeads, exchange_named


class Kept:
    """A sink that keeps what it is sent; `away` makes it refuse, `hold` waits."""

    name = "kept"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.away = False
        self.closed = threading.Event()

    def send(self, lines: Sequence[bytes]) -> int:
        if self.away:
            raise OSError("the sink is away")
        self.lines += lines[:2]  # not all at once
        return len(lines[:2])

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def sink() -> Kept:
    return Kept()


def writer_to(sink: Kept, heads: MemoryHeads) -> AuditWriter:
    return AuditWriter(sink, KEY, heads, digest=DIGEST, name="worker-0", sync_every=0.001)


async def test_the_lines_verify_and_the_head_is_saved_once_they_are_sent(sink: Kept) -> None:
    heads = MemoryHeads()
    saved: list[int] = []
    heads.on_save = lambda head: saved.append(head.seq - len(sink.lines))
    writer = writer_to(sink, heads)
    await writer.start({"listen": "here"})
    for number in range(5):
        writer.open(exchange_named(f"x{number}"))
        writer.close(exchange_named(f"x{number}"))
    await writer.flushed()
    assert len(sink.lines) == 12
    await writer.stop()
    assert max(saved) < 0
    report, passed_over = verify_lines(
        "lines", sink.lines, look_over(sink.lines), [Seal(KEY)], stored=heads.anchors()
    )
    assert (report.exit_code, passed_over, report.chains[0].exchanges) == (0, 0, 5)


async def test_what_waits_is_bounded_and_what_is_refused_is_counted(
    sink: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_stream, "MOST_BYTES", 4000)
    writer = writer_to(sink, MemoryHeads())
    await writer.start()
    sink.away = True
    with pytest.raises(AuditError, match="kept does not take the lines"):
        for number in range(20):
            writer.close(exchange_named(f"x{number}"))
    assert not writer.healthy
    with pytest.raises(AuditError):
        await writer.flushed()
    sink.away = False
    await writer.flushed()
    writer.event(RecordType.RELOADED, {"policy": "after"})
    await writer.stop()
    report, _ = verify_lines("lines", sink.lines, look_over(sink.lines), [Seal(KEY)])
    assert report.problems == []
    assert any("lines could not be written" in note for note in report.chains[0].notes)


async def test_each_process_begins_a_chain(sink: Kept) -> None:
    for _ in range(2):
        writer = writer_to(sink, MemoryHeads())
        await writer.start()
        await writer.stop()
    captured = look_over(sink.lines)
    assert len(captured) in (1, 2)  # chains are named by the second and by chance
    assert {chain.stopped for chain in captured.values()} == {True}


async def test_a_stream_that_hangs_at_the_end_is_given_up(
    sink: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "STOP_WAIT", 0.01)
    writer = writer_to(sink, MemoryHeads())
    await writer.start()
    monkeypatch.setattr(sink, "send", lambda lines: _hang(sink))
    await writer.stop()
    assert sink.closed.is_set()
    assert not writer.healthy


def _hang(sink: Kept) -> int:
    """As a collector that does not answer, until it is closed."""
    assert sink.closed.wait(20)
    raise OSError("closed")
