"""The line between the supervisor and a worker: one JSON object a line, over a socket pair.

The supervisor asks, the worker answers; the worker's first line says that it is ready, or why it
is not. When the line ends, the other side is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one message at most: a worker's metrics are far below."""

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class GoneError(Exception):
    """The other side has closed the line."""


class Line:
    """One end. Messages: `{"id": n, "do": name, ...}` and `{"id": n, ...}` as its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, sock: socket.socket) -> Line:
        reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE)
        return cls(reader, writer)

    def send(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps(message) + b"\n")

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises GoneError at the end of the line."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError) as error:
            raise GoneError from error
        if not line:
            raise GoneError
        message: dict[str, Any] = orjson.loads(line)
        return message

    async def ask(self, do: str, timeout: float, **fields: Any) -> dict[str, Any]:
        """Ask the other side and wait. Raises GoneError, or TimeoutError after `timeout` s."""
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self.send({"id": number, "do": do, **fields})
            async with asyncio.timeout(timeout):
                return await future
        finally:
            self._waiting.pop(number, None)

    async def serve(self, answer: Answer | None = None) -> None:
        """Read until the line ends: answers go to who asked, questions to `answer`."""
        try:
            while True:
                message = await self.receive()
                if "do" in message and answer is not None:
                    task = asyncio.get_running_loop().create_task(self._answer(message, answer))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                else:
                    future = self._waiting.get(message.get("id", 0))
                    if future is not None and not future.done():
                        future.set_result(message)
        except GoneError:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(GoneError())

    async def _answer(self, message: dict[str, Any], answer: Answer) -> None:
        reply = await answer(message)
        self.send({"id": message["id"], **reply})

    def close(self) -> None:
        self._writer.close()
