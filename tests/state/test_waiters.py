"""Waiting for a key inside one process."""

from __future__ import annotations

import asyncio

import pytest

from gateway.state.waiters import Waiters


async def test_all_who_wait_for_a_key_are_woken_and_no_others() -> None:
    waiters = Waiters()
    mine = [asyncio.ensure_future(waiters.wait("k", 60)) for _ in range(2)]
    other = asyncio.ensure_future(waiters.wait("other", 60))
    await asyncio.sleep(0)
    waiters.notify("k", b"v")
    assert await asyncio.gather(*mine) == [b"v", b"v"]
    assert not other.done()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_nothing_stays_behind() -> None:
    waiters = Waiters()
    assert await waiters.wait("k", 0.001) is None
    gone = asyncio.ensure_future(waiters.wait("k", 60))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    waiters.notify("k", b"late")
    assert waiters._waiting == {}
