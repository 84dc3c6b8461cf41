"""Streams on one clock: the upstream that sends events at a pace, and the callers that read them,
in one event loop. Each event is timed from just before upstream writes it to the moment in which
the caller's socket gave its last byte.

Of an event that comes only when later ones have been sent, the clock starts with the last of those:
a window held it back until it had seen what follows. How many waited so is counted apart. (A relay
that is slower than the pace has such events too, as the run without a proxy shows.)
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from benchmarks.bodies import API_KEY
from benchmarks.stream_events import WIRES, events, request

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
WHOLE = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)
LATE = 60.0
"""Seconds after which a stream that has not ended has failed."""

_STREAM = re.compile(rb"stream-(\d{6})")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Timed:
    """One stream: when each event was sent and when it arrived, in seconds of the same clock."""

    asked: float = 0.0
    sent: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)
    whole: bool = False  # every event came, and no more

    @property
    def first(self) -> float:
        """Seconds from the request to the first event, but for what that waited for others."""
        return self.came[0] - self.asked - (self.sent[self._released(0)] - self.sent[0])

    def delay(self, number: int) -> tuple[float, bool]:
        """Seconds that an event was on its way, and whether it had waited for a successor."""
        origin = self._released(number)
        return self.came[number] - self.sent[origin], origin > number

    def _released(self, number: int) -> int:
        """The last event that had been sent when this one came."""
        return max(number, bisect_right(self.sent, self.came[number]) - 1)


@dataclass(frozen=True)
class Pace:
    """What one run sends: `at_once` streams at any time for so many `seconds`, each of `deltas`
    pieces of text, one every `gap` seconds. They begin one after another, evenly spread."""

    wire: str
    at_once: int
    deltas: int
    gap: float
    seconds: float


@dataclass
class Window:
    """What came while all streams ran. Times in seconds."""

    begin: float = 0.0
    end: float = 0.0
    first: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    waited: int = 0
    events: int = 0
    streams: int = 0
    failed: int = 0

    def take(self, timed: Timed) -> None:
        """What of a stream fell into the window. Delays are told only where every event came as
        one event: who changes them cannot be followed."""
        self.streams += 1
        self.failed += not timed.came
        if timed.came and self.begin <= timed.asked < self.end:
            self.first.append(timed.first)
        for number, came in enumerate(timed.came):
            if self.begin <= came < self.end:
                self.events += 1
                if timed.whole:
                    delay, waited = timed.delay(number)
                    self.delays.append(delay)
                    self.waited += waited


@dataclass(frozen=True)
class Script:
    """What upstream sends for one stream: chunks, one every `gap` seconds."""

    timed: Timed
    chunks: list[bytes]
    gap: float


class Provider(asyncio.Protocol):
    """The upstream's side of a connection. `running` holds the streams that were asked for."""

    def __init__(self, running: dict[int, Script]) -> None:
        self._running = running
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or (length and len(body) < int(length[1])):
            return
        self._buffer = b""
        stream = _STREAM.search(body)
        if stream is None:  # whether somebody is there
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(WHOLE)
                + WHOLE
            )
            return
        self._due = asyncio.get_running_loop().time()
        self._send(self._running[int(stream[1])], 0, HEAD)

    def _send(self, script: Script, number: int, head: bytes = b"") -> None:
        if self._transport.is_closing():
            return
        last = number == len(script.chunks) - 1
        script.timed.sent.append(time.perf_counter())
        self._transport.write(head + script.chunks[number] + (b"0\r\n\r\n" if last else b""))
        if not last:
            self._due += script.gap
            asyncio.get_running_loop().call_at(self._due, self._send, script, number + 1)


class Caller(asyncio.Protocol):
    """One caller: sends its request, and notes when each event has arrived."""

    def __init__(self, raw: bytes, timed: Timed, expected: int) -> None:
        self._raw = raw
        self._timed = timed
        self._expected = expected
        self._tail = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._timed.asked = time.perf_counter()
        cast("asyncio.Transport", transport).write(self._raw)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        seen = self._tail + data
        came = self._timed.came
        came.extend([now] * seen.count(b"\n\n"))
        self._tail = seen[-4:].rpartition(b"\n\n")[2]
        if seen.endswith(b"0\r\n\r\n"):
            self._timed.whole = len(came) == self._expected
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        self._transport.close()
        if not self.done.done():
            self.done.set_result(None)


class StreamLoad:
    """The upstream, listening, and the callers it drives."""

    def __init__(self) -> None:
        self._running: dict[int, Script] = {}
        self._count = 0
        self._listener: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Provider(self._running), "127.0.0.1", 0, backlog=1024
        )
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()

    async def run(self, base: str, pace: Pace, mark: Callable[[], None]) -> Window:
        """Drive `base` so. `mark` is called where the window begins and where it ends."""
        loop = asyncio.get_running_loop()
        chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in events(pace.wire, pace.deltas)]
        length = pace.gap * len(chunks)
        window = Window()
        streams: list[Timed] = []
        begin = loop.time() + length
        until = begin + pace.seconds

        async def slot(number: int) -> None:
            await asyncio.sleep(length * number / pace.at_once)
            while loop.time() < until:
                script = Script(Timed(), chunks, pace.gap)
                streams.append(script.timed)
                await self._one(base, pace.wire, script)

        def note(which: str) -> None:
            setattr(window, which, time.perf_counter())
            mark()

        loop.call_at(begin, note, "begin")
        loop.call_at(until, note, "end")
        await asyncio.gather(*(slot(number) for number in range(pace.at_once)))
        for timed in streams:
            window.take(timed)
        return window

    async def _one(self, base: str, wire: str, script: Script) -> None:
        """One stream, on a connection of its own."""
        self._count += 1
        number = self._count
        self._running[number] = script
        where = urlsplit(base)
        body = request(wire, number)
        head = (
            f"POST {WIRES[wire]} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {API_KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(
            lambda: Caller(head.encode() + body, script.timed, len(script.chunks)),
            where.hostname or "",
            where.port or 80,
        )
        try:
            async with asyncio.timeout(LATE):
                await caller.done
        except TimeoutError:
            caller.connection_lost(None)
        del self._running[number]
