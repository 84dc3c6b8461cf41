"""Copies hold nobody up: what cannot be sent waits, is bounded, and is counted where it is lost."""

from __future__ import annotations

import asyncio

import pytest

from gateway.audit import copies
from gateway.audit.copies import CopyTo
from tests.audit.test_chain_stream import Kept


def copy_to(sink: Kept) -> CopyTo:
    return CopyTo(sink, pause=0.0, retry=0.001)


async def until(copy: CopyTo, *, healthy: bool) -> None:
    async with asyncio.timeout(20):
        while copy.healthy is not healthy:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.001)


async def test_lines_arrive_in_order_after_the_sink_was_away() -> None:
    sink = Kept()
    sink.away = True
    copy = copy_to(sink)
    copy.start()
    for number in range(5):
        copy.add(b"%d\n" % number)
    await until(copy, healthy=False)
    sink.away = False
    await until(copy, healthy=True)
    await copy.stop()
    assert sink.lines == [b"0\n", b"1\n", b"2\n", b"3\n", b"4\n"]
    assert (copy.sent, copy.lost) == (5, 0)


async def test_what_does_not_fit_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_BYTES", 10)
    sink = Kept()
    copy = copy_to(sink)
    for line in (b"12345\n", b"too long for the rest\n", b"123\n"):
        copy.add(line)
    copy.start()
    await copy.stop()
    assert sink.lines == [b"12345\n", b"123\n"]
    assert (copy.sent, copy.lost) == (2, 1)


async def test_what_is_left_at_the_end_is_counted() -> None:
    sink = Kept()
    sink.away = True
    copy = copy_to(sink)
    copy.start()
    copy.add(b"1\n")
    await until(copy, healthy=False)
    await copy.stop()
    assert (copy.sent, copy.lost) == (0, 1)
