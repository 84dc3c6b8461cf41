"""Streams on one clock: the upstream that sends events at a pace, and the callers that read them,
in one event loop. Each event is timed from just before upstream writes it to the moment in which
the caller's socket gave its last byte.

Of an event that a window holds back until it has seen what follows, the clock starts with the event
that let it go: it waited for its successor, which is counted apart.
"""

from __future__ import annotations

import asyncio
import re
import time
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
        """Seconds from the request to the first event."""
        return self.came[0] - self.asked

    def delays(self) -> tuple[list[float], int]:
        """Seconds that each event was on its way, and how many had waited for a successor."""
        found: list[float] = []
        waited = 0
        last = len(self.sent) - 1
        for number, came in enumerate(self.came):
            origin = number
            while origin < last and self.sent[origin + 1] <= came and self.came[origin + 1] <= came:
                origin += 1  # it came together with the one behind it
            waited += origin > number
            found.append(came - self.sent[origin])
        return found, waited


@dataclass(frozen=True)
class Pace:
    """What one run sends: `at_once` streams at a time, `rounds` times, each of `deltas` pieces of
    text, one every `gap` seconds."""

    wire: str
    at_once: int
    rounds: int
    deltas: int
    gap: float


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

    async def run(self, base: str, pace: Pace) -> list[Timed]:
        """Drive `base` so, and return every stream."""
        chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in events(pace.wire, pace.deltas)]
        streams: list[Timed] = []
        for _ in range(pace.rounds):
            scripts = [Script(Timed(), chunks, pace.gap) for _ in range(pace.at_once)]
            step = pace.gap / pace.at_once
            await asyncio.gather(
                *(self._one(base, pace.wire, each, step * n) for n, each in enumerate(scripts))
            )
            streams += [each.timed for each in scripts]
        return streams

    async def _one(self, base: str, wire: str, script: Script, later: float) -> None:
        """One stream, begun a little later than the one before, so that not all beat at once."""
        await asyncio.sleep(later)
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
