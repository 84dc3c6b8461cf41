"""Bytes both ways between two connections, untouched, until both are at their end.

Rules of this file:
- Bounded: each way one piece at a time; who does not take it is waited for, and who sends it
  then is not read.
- An end of one way is passed on, and the other way goes on.
- A break of one connection breaks the other one: nobody takes what came for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from gateway.message import Duplex

Gate = Callable[[bytes], bytes | None]
"""Looks at what the caller sends first. Gets all of it so far; what it returns is passed on, and
it is asked no more; None: more is needed. Raises ShutError."""


class ShutError(Exception):
    """A gate lets nothing through. `last`: bytes that the caller gets before the end."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__("the gate is shut")
        self.last = last


class Ended(StrEnum):
    """How a pipe ended."""

    DONE = "done"  # both sides said all
    CALLER_BROKE = "caller_broke"
    FAR_BROKE = "far_broke"
    IDLE = "idle"
    SHUT = "shut"


class _BrokeError(Exception):
    def __init__(self, side: Ended) -> None:
        super().__init__(side.value)
        self.side = side


class Pipe:
    """Run once. `sent` and `received` are bytes, seen from the caller, as they pass."""

    def __init__(self, caller: Duplex, far: Duplex, idle: float, gate: Gate | None = None) -> None:
        self.sent = 0
        self.received = 0
        self._caller = caller
        self._far = far
        self._idle = idle
        self._gate = gate
        self._last = 0.0

    async def run(self) -> Ended:
        """Pass bytes until it ends, however that is. Cancelled, it ends the far connection."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        ways = {loop.create_task(self._out()), loop.create_task(self._back())}
        ended = None
        try:
            ended = await self._watch(ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if ended is Ended.DONE:
                self._far.close()  # the last bytes may still be on their way
            else:
                self._far.abort()
        if ended is not Ended.DONE and ended is not Ended.SHUT:
            self._caller.abort()
        return ended

    async def _watch(self, ways: set[asyncio.Task[None]]) -> Ended:
        loop = asyncio.get_running_loop()
        running = set(ways)
        while running:
            left = self._last + self._idle - loop.time()
            if left <= 0:
                return Ended.IDLE
            done, running = await asyncio.wait(
                running, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            for way in done:
                error = way.exception()
                if isinstance(error, ShutError):
                    await _say(self._caller, error.last)
                    return Ended.SHUT
                if isinstance(error, _BrokeError):
                    return error.side
                if error is not None:
                    raise error
        return Ended.DONE

    async def _out(self) -> None:
        """From the caller to the far end."""
        first = b""
        while data := await _read(self._caller, Ended.CALLER_BROKE):
            self._last = asyncio.get_running_loop().time()
            if self._gate is not None:
                first += data
                opened = self._gate(first)
                if opened is None:
                    continue
                data, self._gate = opened, None
            self.sent += len(data)
            await _write(self._far, data, Ended.FAR_BROKE)
        self._far.end()

    async def _back(self) -> None:
        """From the far end to the caller."""
        while data := await _read(self._far, Ended.FAR_BROKE):
            self._last = asyncio.get_running_loop().time()
            self.received += len(data)
            await _write(self._caller, data, Ended.CALLER_BROKE)
        self._caller.end()


async def _read(side: Duplex, name: Ended) -> bytes:
    try:
        return await side.read()
    except OSError:
        raise _BrokeError(name) from None


async def _write(side: Duplex, data: bytes, name: Ended) -> None:
    try:
        await side.write(data)
    except OSError:
        raise _BrokeError(name) from None


async def _say(side: Duplex, last: bytes) -> None:
    try:
        if last:
            await side.write(last)
    except OSError:
        return  # it is gone already
