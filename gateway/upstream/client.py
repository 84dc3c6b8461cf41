"""Calls to upstreams: connections kept alive in pools, our own small types in and out.

The one place of the data path, with `connection.py`, that sends HTTP.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.upstream.connection import BrokenError, Connection, Incoming
from gateway.verdict import Reason

KEEP_IDLE = 30.0
"""Seconds after which an idle connection is not used again: below the usual limits of servers
(nginx keeps 75 s, load balancers 60 s), so that few calls meet a connection just closed."""

MAX_IDLE = 256
"""Idle connections kept to one upstream."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, and of silence (before the answer's head, between two pieces)."""

    connect: float = 10.0
    read: float = 600.0


@dataclass(frozen=True, slots=True)
class _Origin:
    host: str
    port: int
    tls: bool
    authority: str  # the Host header
    prefix: str  # the base URL's path


class _Pool:
    """Connections to one origin; the one used last is used first."""

    def __init__(self, origin: _Origin, context: ssl.SSLContext | None) -> None:
        self.origin = origin
        self._context = context
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()

    def kept(self) -> Connection | None:
        """A connection that was used before, if one is idle."""
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            if connection.idle() <= KEEP_IDLE:
                return connection
            connection.abort()
        return None

    async def connect(self, timeout: float) -> Connection:
        """A fresh connection. Raises OSError or BrokenError."""
        loop = asyncio.get_running_loop()
        origin = self.origin
        try:
            async with asyncio.timeout(timeout):
                _, made = await loop.create_connection(
                    lambda: Connection(self._give_back),
                    origin.host,
                    origin.port,
                    ssl=self._context,
                    server_hostname=origin.host if origin.tls else None,
                )
        except TimeoutError:  # it is away, not slow: nothing can have been done
            raise BrokenError(f"no connection in {timeout:g} s", begun=False) from None
        self._all.add(made)
        return made

    def _give_back(self, connection: Connection, reusable: bool) -> None:
        if reusable and not connection.closed and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        elif not connection.closed:
            connection.abort()
        else:
            self._all.discard(connection)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abort()


class Client:
    """Connections to all upstreams of one worker.

    Args:
        sent_again: told of the headers of a request that goes out a second time, and may change
            them.
    """

    def __init__(self, sent_again: Callable[[Headers], None] | None = None) -> None:
        self._sent_again = sent_again
        self._pools: dict[str, _Pool] = {}
        self._context: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Load the system's certificates, once."""
        self._context = ssl.create_default_context()
        self._context.set_alpn_protocols(["http/1.1"])

    async def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # aborted transports tell their protocols in the next turn

    async def send(
        self,
        method: str,
        base: str,
        target: str,
        headers: Headers,
        body: bytes,
        timeouts: Timeouts,
        max_answer: int,
    ) -> UpstreamReply:
        """Send a request, return the answer's head.

        A kept connection that turns out to be closed before anything of the answer came is
        replaced by a fresh one, once, if the method is safe: then nothing can have been done.

        Args:
            base: the upstream's URL without a trailing slash; `target` is put behind it as it is.
            max_answer: bytes that `read()` takes at most.

        Raises:
            UpstreamError: 502 where it cannot be reached, 504 where it does not answer in time.
        """
        pool = self._pool(base)
        data = _encode(method, pool.origin, target, headers, body)
        try:
            kept = pool.kept()
            connection = kept or await pool.connect(timeouts.connect)
            answer = connection.request(data, no_body=method == "HEAD", timeout=timeouts.read)
            try:
                await answer.head()
            except BrokenError as error:
                if kept is None or error.begun or method not in ("GET", "HEAD", "OPTIONS"):
                    raise
                if self._sent_again is not None:
                    self._sent_again(headers)
                    data = _encode(method, pool.origin, target, headers, body)
                connection = await pool.connect(timeouts.connect)
                answer = connection.request(data, no_body=method == "HEAD", timeout=timeouts.read)
                await answer.head()
        except (OSError, BrokenError) as error:
            raise _upstream_error(error, timeouts) from error
        return UpstreamReply(
            answer.status,
            Headers(answer.headers),
            read=partial(_read, answer, timeouts, max_answer),
            pass_on=answer.pass_on,
            next_piece=partial(_next_piece, answer, timeouts),
            close=answer.close,
            be_patient=answer.be_patient,
        )

    async def switch(
        self,
        base: str,
        target: str,
        headers: Headers,
        upgrade: Headers,
        timeouts: Timeouts,
        max_answer: int,
    ) -> UpstreamReply:
        """Ask for another protocol with a GET on a fresh connection.

        Args:
            upgrade: the headers that ask for it (`Upgrade`, `Connection`, `Sec-WebSocket-Key`).

        Returns:
            A reply whose `duplex` is there where upstream agreed; its owner ends it.

        Raises:
            UpstreamError: as `send`.
        """
        pool = self._pool(base)
        asked = Headers([*headers.items, *upgrade.items])
        data = _encode("GET", pool.origin, target, asked, b"")
        try:
            connection = await pool.connect(timeouts.connect)
            answer = connection.request(data, no_body=False, timeout=timeouts.read, may_switch=True)
            await answer.head()
        except (OSError, BrokenError) as error:
            raise _upstream_error(error, timeouts) from error
        return UpstreamReply(
            answer.status,
            Headers(answer.headers),
            read=partial(_read, answer, timeouts, max_answer),
            next_piece=partial(_next_piece, answer, timeouts),
            close=answer.close,
            duplex=answer.duplex,
            be_patient=answer.be_patient,
        )

    def _pool(self, base: str) -> _Pool:
        pool = self._pools.get(base)
        if pool is None:
            parts = urlsplit(base)
            tls = parts.scheme == "https"
            host = parts.hostname or ""
            port = parts.port or (443 if tls else 80)
            origin = _Origin(host, port, tls, parts.netloc, parts.path.rstrip("/"))
            pool = self._pools[base] = _Pool(origin, self._context if tls else None)
        return pool


def _encode(method: str, origin: _Origin, target: str, headers: Headers, body: bytes) -> bytes:
    """The request's bytes. The caller's headers keep their order and spelling."""
    lines = [f"{method} {origin.prefix}{target} HTTP/1.1\r\nHost: {origin.authority}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1") + body


async def _read(answer: Incoming, timeouts: Timeouts, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := answer.take() or await _next_piece(answer, timeouts):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            answer.close()
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                f"The provider's answer is larger than the {limit:,} bytes this gateway reads.",
                retryable=False,
            )
        if answer.complete:
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _next_piece(answer: Incoming, timeouts: Timeouts) -> bytes:
    try:
        return await answer.piece()
    except (OSError, BrokenError) as error:
        raise _upstream_error(error, timeouts) from error


def _upstream_error(error: BaseException, timeouts: Timeouts) -> UpstreamError:
    """Our words for what went wrong; the address stays out of them."""
    if isinstance(error, TimeoutError):
        return UpstreamError(
            Reason.UPSTREAM_TIMEOUT,
            f"The provider did not answer in time ({timeouts.read:g} s of silence).",
            status=504,
        )
    why = str(error) if isinstance(error, BrokenError) else type(error).__name__
    return UpstreamError(
        Reason.UPSTREAM_UNREACHABLE, f"The provider could not be reached or broke off ({why})."
    )
