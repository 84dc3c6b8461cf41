"""Spans on their way out: in order, bounded, counted, and sent before the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

import pytest

from gateway.telemetry.span_queue import SpanQueue
from gateway.telemetry.spans import Span
from tests.running import wait_for

LONG = 600.0


def spans(count: int) -> list[Span]:
    return [Span(str(n), 1, n + 1, 0, False, True, 0, 1, 1, "", False, {}) for n in range(count)]


class Exporter:
    """Takes spans; waits for `gate` first, where there is one."""

    def __init__(self, *, takes: bool = True, gate: threading.Event | None = None) -> None:
        self.takes = takes
        self.gate = gate
        self.batches: list[list[str]] = []
        self.stopped = False
        self.entered = threading.Event()

    def export(self, batch: Sequence[Span]) -> bool:
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(60)
        self.batches.append([span.name for span in batch])
        return self.takes

    def stop(self) -> None:
        self.stopped = True
        if self.gate is not None:
            self.gate.set()


def queue_of(
    exporter: Exporter, *, most: int = 100, batch: int = 10, delay: float = LONG
) -> SpanQueue:
    return SpanQueue(exporter.export, exporter.stop, most=most, batch=batch, delay=delay)


async def test_a_full_batch_is_sent_at_once_and_the_rest_at_the_end() -> None:
    exporter = Exporter()
    queue = queue_of(exporter)
    queue.put(spans(10))
    await asyncio.to_thread(wait_for, "a batch", lambda: exporter.batches)
    queue.put(spans(3))
    await queue.close(60)
    assert exporter.batches == [[str(n) for n in range(10)], ["0", "1", "2"]]
    assert (queue.sent, queue.failed, queue.dropped) == (13, 0, 0)
    assert exporter.stopped


async def test_what_waits_is_sent_after_the_delay() -> None:
    exporter = Exporter()
    queue = queue_of(exporter, delay=0.01)
    queue.put(spans(1))
    await asyncio.to_thread(wait_for, "a batch", lambda: exporter.batches)
    await queue.close(60)
    assert queue.sent == 1


async def test_what_finds_no_room_is_dropped_whole_and_counted_and_nobody_waits() -> None:
    exporter = Exporter(gate=threading.Event())
    queue = queue_of(exporter, most=5, batch=2)
    queue.put(spans(2))
    await asyncio.to_thread(exporter.entered.wait, 60)  # these are on their way: room for 5
    queue.put(spans(4))
    queue.put(spans(2))  # one would fit; a child without its parent is of no use
    queue.put(spans(1))
    assert queue.dropped == 2
    assert exporter.gate is not None
    exporter.gate.set()
    await queue.close(60)
    assert (queue.sent, queue.dropped) == (7, 2)
    queue.put(spans(1))
    assert queue.dropped == 3


async def test_a_collector_that_refuses_costs_its_spans_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = Exporter(takes=False)
    queue = queue_of(exporter, batch=1, delay=0.01)
    with caplog.at_level(logging.WARNING, "portcullis.tracing"):
        for number in range(3):
            queue.put(spans(1))
            await asyncio.to_thread(wait_for, "a batch", lambda n=number: len(exporter.batches) > n)
        await asyncio.to_thread(wait_for, "a line", lambda: caplog.records)
        assert len(caplog.records) == 1
        await queue.close(60)
    assert (queue.sent, queue.failed) == (0, 3)


async def test_an_exporter_that_raises_does_not_end_the_thread() -> None:
    exporter = Exporter()
    raised = []

    def export(batch: Sequence[Span]) -> bool:
        if not raised:
            raised.append(True)
            raise RuntimeError("broken")
        return exporter.export(batch)

    queue = SpanQueue(export, exporter.stop, most=10, batch=1, delay=0.01)
    queue.put(spans(1))
    await asyncio.to_thread(wait_for, "a failure", lambda: queue.failed)
    queue.put(spans(1))
    await queue.close(60)
    assert (queue.sent, queue.failed) == (1, 1)


async def test_a_collector_that_hangs_does_not_keep_the_end_waiting() -> None:
    exporter = Exporter(gate=threading.Event())
    queue = queue_of(exporter, batch=1)
    queue.put(spans(3))
    await asyncio.to_thread(exporter.entered.wait, 60)
    await queue.close(0.01)
    assert exporter.stopped
    assert queue.dropped == 2
