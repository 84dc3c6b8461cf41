"""A connection that is no longer HTTP, as bytes both ways: `message.Duplex` over a transport.

Rules of this file:
- Bounded: above `HIGH_WATER` bytes that nobody has read the socket is not read; a writer waits
  while the transport holds more than it likes.
- An end that the other side announces (FIN) ends reading only: what is written still leaves. Over
  TLS either side's end is the end of both ways.
- Nothing is lost by a cancelled `read`; what was given to `write` is handed over even where its
  wait is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import cast

HIGH_WATER = 128 * 1024
"""Bytes that have come and were not read, above which the socket is paused."""


class TransportDuplex:
    """See `message.Duplex`. Whoever owns the transport's protocol calls the methods below the
    line as things happen."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False  # the other side says no more
        self._done = False  # we said no more
        self._error: Exception | None = None
        self._reading: asyncio.Future[None] | None = None
        self._paused = False  # the socket is not read
        self._writable = asyncio.Event()
        self._writable.set()
        if transport is None:
            self._error = ConnectionResetError("the connection is gone")

    async def read(self) -> bytes:
        while not self._pieces:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            self._reading = asyncio.get_running_loop().create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        transport = self._open()
        if data:
            transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()
            if self._error is not None:
                raise self._error

    def end(self) -> None:
        transport = self._transport
        if transport is None or self._done:
            return
        self._done = True
        if transport.can_write_eof():
            if not transport.is_closing():
                transport.write_eof()
        else:  # TLS has no half of an end: what was written leaves, and nothing more is read
            self._ended = True
            transport.close()
            self._wake()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                # A reset, so that nobody takes what came for the whole.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _open(self) -> asyncio.Transport:
        if self._error is not None:
            raise self._error
        assert self._transport is not None
        if self._done or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        return self._transport

    # --- for the protocol ---

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def feed_end(self) -> bool:
        """The other side says no more. Whether the connection can stay half open (not over TLS)."""
        self._ended = True
        self._wake()
        return self._transport is not None and self._transport.can_write_eof()

    def lost(self, error: Exception | None) -> None:
        """The connection is over: what had come may still be read."""
        self._transport = None
        if error is not None:
            self._ended = False  # it said no more, and then broke
        self._error = error or ConnectionResetError("the connection ended")
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)


class DuplexProtocol(asyncio.Protocol):
    """A connection that is a duplex from its first byte on; `duplex` is there once it is made."""

    def __init__(self) -> None:
        self.duplex: TransportDuplex

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no subclass of it
        self.duplex = TransportDuplex(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self.duplex.feed(data)

    def eof_received(self) -> bool:
        return self.duplex.feed_end()

    def connection_lost(self, error: Exception | None) -> None:
        self.duplex.lost(error)

    def pause_writing(self) -> None:
        self.duplex.pause_writing()

    def resume_writing(self) -> None:
        self.duplex.resume_writing()
