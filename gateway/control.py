"""The line between the supervisor and a worker: one JSON object a line, over a socket pair.

The supervisor asks, the worker answers. When the line ends, the other side is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one message at most. The largest ones carry policy files; see `MOST_TEXT`."""

MOST_TEXT = MAX_LINE // 4
"""Bytes of policy files that fit one message, whatever they hold (JSON may double them)."""

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_log = logging.getLogger("portcullis.control")


class GoneError(Exception):
    """The other side has closed the line."""


class Line:
    """One end. Messages: `{"id": n, "do": name, ...}` and `{"id": n, ...}` as its answer.

    `gone`: the other side has ended; known only while `serve` reads.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.gone = False

    @classmethod
    async def open(cls, sock: socket.socket) -> Line:
        sock.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE)
        return cls(reader, writer)

    def send(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps(message) + b"\n")

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises GoneError at the end of the line."""
        try:
            line = await self._reader.readline()
            if line.endswith(b"\n"):
                message: dict[str, Any] = orjson.loads(line)
                return message
        except (OSError, ValueError) as error:
            raise GoneError from error
        raise GoneError

    async def ask(self, do: str, timeout: float, **fields: Any) -> dict[str, Any]:
        """Ask the other side and wait. Raises GoneError, or TimeoutError after `timeout` s."""
        if self.gone:
            raise GoneError
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
            pass
        finally:
            self.gone = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(GoneError())

    async def _answer(self, message: dict[str, Any], answer: Answer) -> None:
        try:
            reply = await answer(message)
        except Exception as error:  # noqa: BLE001 - who asked must not wait for ever
            _log.exception("%s failed", message["do"])
            reply = {"problems": [f"{message['do']} failed: {type(error).__name__}"]}
        self.send({"id": message["id"], **reply})

    async def close(self) -> None:
        """Finish the answers that are being made, send them, and end the line."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
