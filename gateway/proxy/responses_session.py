"""Responses over WebSocket, the caller's side: every `response.create` is a call like any other.

Rules of this file:
- A message that starts a response goes through the same stations as a POST of its text, and is an
  exchange of its own. Its events leave as messages, after the rules have seen them.
- Any other message is an exchange of the dialect `opaque`: each rule's `unscannable` decides.
- One response at a time, in the order asked for; few wait, and no more is read while they do.
- A refusal is an `error` event in OpenAI's shape, and the connection stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import orjson

from gateway.dialects.sse import EventReader
from gateway.errors import CallerError, GatewayError
from gateway.exchange import Exchange
from gateway.message import Duplex, Headers, Reply, Request, Switch
from gateway.proxy.body import too_large
from gateway.proxy.closing import Closer
from gateway.proxy.handler import Handler, Read
from gateway.upstream.client import Client
from gateway.upstream.responses_socket import ResponsesSocket
from gateway.verdict import Reason
from gateway.websocket import GOING_AWAY, ClosedError, WebSocket

MOST_WAITING = 2
"""Messages that wait for the response before them."""

IDLE = 3600.0
"""Seconds without a message after which the connection is closed: the provider's own limit."""

_TOLD = (
    "retry-after",
    "x-codex-promo-message",
    "x-portcullis-id",
    "x-portcullis-reason",
    "x-portcullis-rule",
)
"""Headers of a refusal that its event repeats."""

_log = logging.getLogger("portcullis.proxy")


class ResponsesSession:
    """One caller's connection.

    Args:
        handshake: the caller's request, without the headers of the handshake: what its calls say
            of who sends them.
        most: bytes of the longest message.
    """

    def __init__(
        self, handler: Handler, closer: Closer, client: Client, handshake: Request, most: int
    ) -> None:
        self._handler = handler
        self._closer = closer
        self._request = handshake
        self._most = most
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._upstream = ResponsesSocket(client, self._upstream_left)
        self._left: tuple[int, str] | None = None
        self._running: asyncio.Task[None] | None = None
        self._gone = False  # the caller has closed
        self._socket: WebSocket

    async def run(self, caller: Duplex) -> None:
        """Answer messages until one side closes."""
        self._socket = WebSocket(caller, "server", self._most)
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            while True:
                async with asyncio.timeout(IDLE):
                    text = await self._waiting.get()
                if text is None or self._left is not None:
                    break
                await self._answer(text)
                if self._handler.draining or self._gone:
                    break
        except (TimeoutError, ClosedError):
            pass  # nothing was asked for a long time; or there is nobody left to ask
        except asyncio.CancelledError:
            await self._socket.leave(GOING_AWAY)
            raise
        finally:
            self._upstream.abort()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        """Close as the provider did, or because we are shutting down."""
        code, last = self._left or (GOING_AWAY if self._handler.draining else 1000, "")
        if last:
            with contextlib.suppress(ClosedError):
                await self._socket.send(last)
        await self._socket.close(code)

    def _upstream_left(self, code: int, last: str) -> None:
        """One side closed: nothing more is to be answered."""
        self._left = self._left or (code, last)
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    # --- what the caller sends ---

    async def _read(self) -> None:
        """Read messages while there is room for them; pings are answered on the way."""
        try:
            while True:
                message = await self._socket.receive()
                if isinstance(message, str) and _starts_response(message):
                    await self._waiting.put(message)
                else:
                    await self._pass_on(message)
        except ClosedError:
            pass
        except Exception:  # noqa: BLE001  one connection's fault must not be silent
            _log.exception("WebSocket broken off")
        self._gone = True
        if self._running is not None:
            self._running.cancel()  # nobody waits for what comes
        self._upstream_left(GOING_AWAY, "")

    def _ask(self, text: bytes) -> Request:
        """A call of this connection: what the handshake said, and a body."""
        return Request("POST", self._request.target, Headers(self._request.headers.items), text)

    async def _answer(self, text: str) -> None:
        """One response; it ends early where the caller closes."""
        self._running = asyncio.get_running_loop().create_task(self._create(text))
        try:
            await self._running
        except asyncio.CancelledError:
            if not self._gone:
                raise
        finally:
            self._running = None

    async def _create(self, text: str) -> None:
        body = text.encode()

        async def read(limit: int) -> bytes:
            if len(body) > limit:
                raise too_large(limit)
            return body

        request = self._ask(b"")
        reply = await self._handler.handle(request, read, caller=self._upstream.send)
        if isinstance(reply.body, bytes):
            await self._socket.send(_error_event(reply))
        elif not isinstance(reply.body, Switch):
            await self._stream(reply.body)

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Send events as messages, at the pace at which the caller takes them."""
        events = EventReader()
        try:
            async for piece in pieces:
                for event in events.feed(piece):
                    if event.data:
                        await self._socket.send(event.data)
        except GatewayError as error:
            told = {"code": error.reason.value, "message": error.message}
            await self._socket.send(_event(error.status, told))
        finally:
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()

    async def _pass_on(self, message: str | bytes) -> None:
        """What starts no response: no dialect reads it."""
        raw = message.encode() if isinstance(message, str) else message

        async def read(limit: int) -> bytes:
            return raw

        async def play(exchange: Exchange) -> Reply:
            return await self._judge_unread(exchange, message, read)

        reply = await self._handler.handle(self._ask(raw), read, play)
        if isinstance(reply.body, bytes) and reply.status != 200:
            await self._socket.send(_error_event(reply))

    async def _judge_unread(self, exchange: Exchange, message: str | bytes, read: Read) -> Reply:
        await self._handler.accept(exchange, read, unread=True)
        stopped = await self._handler.judge(exchange)
        if stopped is not None:
            return stopped
        await self._closer.open(exchange)
        exchange.sent = await self._upstream.pass_on(message)
        if not exchange.sent:
            raise CallerError(
                Reason.MESSAGE_UNEXPECTED,
                "No response is running that this message could be for. Begin with a "
                "`response.create` message.",
            )
        return await self._closer.end(exchange, Reply(200), "answered")


def _starts_response(text: str) -> bool:
    """Whether a message is to be read as the request of a response: also one that is broken, so
    that the dialect says what is wrong with it."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return True
    return not isinstance(found, dict) or found.get("type") in (None, "response.create")


def _error_event(reply: Reply) -> str:
    """A refusal as the event that OpenAI sends: `type`, `status`, `error`; the provider's own
    event as it came."""
    assert isinstance(reply.body, bytes)
    try:
        found = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and found.get("type") == "error":
        return reply.body.decode()
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        error = {"code": "upstream_error", "message": "The provider refused the connection."}
    headers = {name: value for name in _TOLD if (value := reply.headers.get(name))}
    return _event(reply.status, error, headers)


def _event(status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    event: dict[str, Any] = {"type": "error", "status": status, "error": error}
    if headers:
        event["headers"] = headers
    return orjson.dumps(event).decode()
