"""The upstream end of Responses over WebSocket: one connection of its own for each caller's, and
on it one response after the other, each as if it were a stream of server-sent events.

The wire is that of OpenAI's guide "WebSocket Mode": a `response.create` message carries what the
body of `POST /v1/responses` would, and the events come back as messages. There is no message that
stops a response, so that one which is no longer wanted costs the connection, and with it what the
provider kept only there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson

from gateway.dialects.sse import MAX_EVENT, encode
from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.telemetry.trace_context import FIELDS
from gateway.upstream.client import Client, Timeouts
from gateway.upstream.way import Way
from gateway.verdict import Reason
from gateway.websocket import ClosedError, Handshake, WebSocket

_LAST = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "response.error", "error"}
)
"""Events behind which a response has nothing more to say."""

_STREAM = Headers([("content-type", "text/event-stream")])
_JSON = [("content-type", "application/json")]


class ResponsesSocket:
    """One caller's connection to the provider, opened when it is first needed.

    Args:
        left: told when the provider closed the connection while no response was running, with the
            last thing that it said ("" for nothing): what it kept there is gone.
    """

    def __init__(self, client: Client, left: Callable[[int, str], None]) -> None:
        self._client = client
        self._left = left
        self._socket: WebSocket | None = None
        self._made_for: tuple[object, ...] = ()
        self._watch: asyncio.Task[None] | None = None

    async def send(
        self,
        method: str,
        way: Way,
        target: str,
        headers: Headers,
        body: bytes,
        timeouts: Timeouts,
        max_answer: int,
    ) -> UpstreamReply:
        """Send a `response.create` message; as `Client.send`.

        Returns:
            The events as a stream, or a whole answer where the provider refused.
        """
        del method
        await self._stop_watching()
        # A trace's context differs from call to call; the connection bears that of its first.
        said = [pair for pair in headers if pair[0].lower() not in FIELDS]
        made_for = (way, target, *said)
        if self._socket is not None and (not self._socket.open or made_for != self._made_for):
            self.abort()
        if self._socket is None:
            refused = await self._connect(way, target, headers, timeouts, max_answer)
            if refused is not None:
                return refused
            self._made_for = made_for
        socket = self._socket
        assert socket is not None
        turn = _Turn(socket, timeouts.read, self._done)
        try:
            await socket.send(body.decode())
            first = await turn.next_message()
        except ClosedError as error:
            self.abort()
            raise _closed(error) from error
        except BaseException:
            self.abort()
            raise
        event = _parsed(first)
        if event.get("type") == "error":
            status = event.get("status")
            self._done(True)
            return _whole(status if isinstance(status, int) and status >= 400 else 400, first)
        return UpstreamReply(
            200,
            Headers(_STREAM.items),
            read=turn.read,
            next_piece=turn.next_piece,
            close=turn.close,
            be_patient=turn.be_patient,
        )

    async def pass_on(self, message: str | bytes) -> bool:
        """Send a message that starts no response; whether there is a connection for it."""
        if self._socket is None or not self._socket.open:
            return False
        try:
            await self._socket.send(message)
        except ClosedError:
            return False
        return True

    def abort(self) -> None:
        """End the connection. May be called more than once."""
        socket, self._socket = self._socket, None
        if self._watch is not None:
            self._watch.cancel()
        if socket is not None:
            socket.abort()

    async def _connect(
        self, way: Way, target: str, headers: Headers, timeouts: Timeouts, max_answer: int
    ) -> UpstreamReply | None:
        """Open the connection; the provider's answer where it does not want one."""
        handshake = Handshake()
        reply = await self._client.switch(
            way, target, headers, handshake.headers, timeouts, max_answer
        )
        if reply.duplex is None:
            if reply.status >= 400:
                return reply
            reply.close()
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                "The provider speaks no WebSocket here. Send the request over HTTP.",
                retryable=False,
            )
        try:
            handshake.check(reply.status, reply.headers)
        except ValueError as error:
            reply.duplex.abort()
            raise UpstreamError(
                Reason.ANSWER_MALFORMED, f"The provider's WebSocket: {error}.", retryable=False
            ) from error
        self._socket = WebSocket(reply.duplex, "client", min(MAX_EVENT, max_answer))
        return None

    # --- between two responses ---

    def _done(self, whole: bool) -> None:
        """A response is over; not `whole`: the rest of it would still come."""
        if not whole:
            self.abort()
        elif self._socket is not None and self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._watch_idle(self._socket))

    async def _watch_idle(self, socket: WebSocket) -> None:
        """Answer pings, and notice the end. Nothing should come that nobody asked for; an error
        is what the provider says before it closes."""
        code, last = 1011, ""
        try:
            message = await socket.receive()
            if isinstance(message, str) and _parsed(message).get("type") == "error":
                last = message
        except ClosedError as error:
            code = error.code
        self._watch = None
        self.abort()
        self._left(code, last)

    async def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


class _Turn:
    """The events of one response."""

    def __init__(self, socket: WebSocket, silence: float, done: Callable[[bool], None]) -> None:
        self._socket = socket
        self._silence: float | None = silence
        self._done = done
        self._heard = asyncio.get_running_loop().time()
        self._first: str | None = None
        self._over = False

    async def next_message(self) -> str:
        """The first message, kept for `next_piece`. Raises ClosedError and UpstreamError."""
        self._first = await self._receive()
        return self._first

    async def next_piece(self) -> bytes:
        """The next event as a server-sent one, b"" behind the last."""
        if self._over:
            return b""
        try:
            text, self._first = self._first or await self._receive(), None
        except ClosedError as error:
            raise _closed(error) from error
        kind = _parsed(text).get("type")
        if kind in _LAST:
            self._over = True
            self._done(True)
        return encode(text, kind if isinstance(kind, str) and kind.isprintable() else "")

    async def read(self) -> bytes:
        """All events."""
        pieces = []
        while piece := await self.next_piece():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """No more of it is wanted."""
        if not self._over:
            self._over = True
            self._done(False)

    def be_patient(self) -> None:
        """It may be silent for as long as it likes."""
        self._silence = None

    async def _receive(self) -> str:
        try:
            until = None if self._silence is None else self._heard + self._silence
            async with asyncio.timeout_at(until):
                message = await self._socket.receive()
        except TimeoutError:
            raise UpstreamError(
                Reason.UPSTREAM_TIMEOUT,
                f"The provider did not answer in time ({self._silence:g} s of silence).",
                status=504,
            ) from None
        self._heard = asyncio.get_running_loop().time()
        if isinstance(message, bytes):
            raise UpstreamError(
                Reason.ANSWER_MALFORMED, "The provider sent a binary message.", retryable=False
            )
        return message


def _parsed(text: str) -> dict[str, object]:
    """An event's object; {} where it is none. (The dialect reads it once more, with care.)"""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole(status: int, text: str) -> UpstreamReply:
    body = text.encode()
    pieces = [body]

    async def read() -> bytes:
        return body

    async def next_piece() -> bytes:
        return pieces.pop() if pieces else b""

    return UpstreamReply(status, Headers(_JSON), read=read, next_piece=next_piece, close=_nothing)


def _nothing() -> None:
    """There is no connection of this answer's own to close."""


def _closed(error: ClosedError) -> UpstreamError:
    return UpstreamError(
        Reason.UPSTREAM_UNREACHABLE,
        f"The provider closed the WebSocket before the end of the response ({error.code}).",
    )
