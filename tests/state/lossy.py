"""A relay before a server that loses what it is told to lose."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType


class Lossy:
    """Relays to `port`. While `answers_to_lose` is above 0, the next answer that begins with
    `like` is thrown away and its connection closed: the server has done what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.answers_to_lose = 0
        self.lost = 0
        self.like = b""
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Lossy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        inner, outer = await asyncio.open_connection("127.0.0.1", self._to)
        there = asyncio.ensure_future(self._pump(reader, outer, answers=False))
        back = asyncio.ensure_future(self._pump(inner, writer, answers=True))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (there, back):
                each.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for end in (writer, outer):
                end.close()
            self._tasks.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                if answers and self.answers_to_lose and piece.startswith(self.like):
                    self.answers_to_lose -= 1
                    self.lost += 1
                    return
                sink.write(piece)
                await sink.drain()
