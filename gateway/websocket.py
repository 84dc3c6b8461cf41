"""Messages over a duplex: WebSocket (RFC 6455) by the sans-I/O protocol of `websockets`.

Rules of this file:
- No extension is spoken: what is compressed could not be judged in the pieces in which it comes.
- Pings are answered, fragments joined, and no message is longer than what was agreed.
- One task receives at a time; any may send. A cancelled `receive` loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Literal

from websockets.client import ClientProtocol
from websockets.datastructures import Headers as WireHeaders
from websockets.exceptions import InvalidHandshake, InvalidUpgrade, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as WireRequest
from websockets.http11 import Response as WireResponse
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from gateway.message import Duplex, Headers

CLOSING_TIME = 2.0
"""Seconds that the other side has to answer a close."""

GOING_AWAY = 1001
INTERNAL_ERROR = 1011
_INVALID_DATA = 1007
_NO_CODE = frozenset({1005, 1006, 1015})

_HANDSHAKE = "sec-websocket-"


class ClosedError(Exception):
    """The connection is over; `code` is what the other side gave, 1006 where it gave none."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed ({code})")
        self.code = code


class WebSocket:
    """One end of an open WebSocket.

    Args:
        side: which one we are.
        max_size: bytes of the longest message that is received.
    """

    def __init__(self, duplex: Duplex, side: Literal["client", "server"], max_size: int) -> None:
        self._duplex = duplex
        self._protocol = Protocol(
            CLIENT if side == "client" else SERVER, state=OPEN, max_size=max_size
        )
        self._messages: deque[str | bytes] = deque()
        self._parts: list[bytes] = []
        self._text = True

    @property
    def open(self) -> bool:
        """Whether a message can still be sent."""
        return self._protocol.state is OPEN

    async def receive(self) -> str | bytes:
        """The next message, text or binary. Raises ClosedError."""
        while not self._messages:
            if not self.open:
                raise ClosedError(self._code)
            try:
                data = await self._duplex.read()
            except OSError:
                data = b""
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            for frame in self._protocol.events_received():
                if isinstance(frame, Frame):
                    self._take(frame)
            await self._flush()
        return self._messages.popleft()

    async def send(self, message: str | bytes) -> None:
        """Send a message as one frame; waits while the other side does not take it. Raises
        ClosedError."""
        if not self.open:
            raise ClosedError(self._code)
        if isinstance(message, str):
            self._protocol.send_text(message.encode("utf-8", "replace"))
        else:
            self._protocol.send_binary(message)
        await self._flush()
        if not self.open:
            raise ClosedError(self._code)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order, and end the connection; never raises for the other side's sake.

        Nobody may be receiving. A code that stands for none (1005, 1006) becomes 1001.
        """
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSING_TIME):
                if self.open:
                    self._protocol.send_close(GOING_AWAY if code in _NO_CODE else code, reason)
                    await self._flush()
                # Until the other side has answered: else what we said might not arrive.
                while self._protocol.close_rcvd is None and (data := await self._duplex.read()):
                    self._protocol.receive_data(data)
                    self._protocol.events_received()
                    await self._flush()
        self._duplex.close()

    async def leave(self, code: int, reason: str = "") -> None:
        """Say that it is over, and do not wait for an answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_TIME / 10):
                if self.open:
                    self._protocol.send_close(GOING_AWAY if code in _NO_CODE else code, reason)
                    await self._flush()
        self._duplex.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._duplex.abort()

    @property
    def _code(self) -> int:
        received = self._protocol.close_rcvd
        return received.code if received is not None else 1006

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        if frame.data:
            self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        whole, self._parts = b"".join(self._parts), []
        try:
            self._messages.append(whole.decode() if self._text else whole)
        except UnicodeDecodeError:
            if self.open:
                self._protocol.fail(_INVALID_DATA)

    async def _flush(self) -> None:
        pieces = self._protocol.data_to_send()
        if not pieces:
            return
        with contextlib.suppress(OSError):  # the next `receive` finds the end
            await self._duplex.write(b"".join(pieces))
        if b"" in pieces:
            self._duplex.end()


# --- handshakes ---


def accept(path: str, headers: Headers) -> Headers:
    """The headers of the answer (101) that grants a caller's request.

    Raises:
        ValueError: it is no request for a WebSocket that can be granted; says why.
    """
    asked = WireRequest(path, WireHeaders(headers.items))
    try:
        accepted, _, _ = ServerProtocol().process_request(asked)
    except InvalidUpgrade:
        raise ValueError("its Connection and Upgrade headers do not ask for a WebSocket") from None
    except InvalidHandshake as error:
        name = getattr(error, "name", "")
        raise ValueError(f"its {name or 'Sec-WebSocket'} header cannot be used") from None
    return Headers(
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accepted)]
    )


class Handshake:
    """Our own request for a WebSocket, and the check of its answer."""

    def __init__(self) -> None:
        self._protocol = ClientProtocol(parse_uri("ws://upstream/"))
        self._protocol.connect()
        self.headers = Headers(
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", self._protocol.key),
                ("Sec-WebSocket-Version", "13"),
            ]
        )

    def check(self, status: int, headers: Headers) -> None:
        """Raises ValueError where the answer is none to our request."""
        try:
            answer = WireResponse(status, "", WireHeaders(headers.items))
            self._protocol.process_response(answer)
        except WebSocketException:
            raise ValueError("not the answer to our handshake") from None


def without_handshake(headers: Headers) -> Headers:
    """A caller's headers without those that belong to its own handshake."""
    return Headers(pair for pair in headers if not pair[0].lower().startswith(_HANDSHAKE))
