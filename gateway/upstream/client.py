"""Calls to upstreams: connections kept alive in pools, our own small types in and out.

The one place of the data path, with `connection.py`, that sends HTTP.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.tls import client_context
from gateway.upstream.connection import BrokenError, Connection, Incoming
from gateway.upstream.knock import connect_through
from gateway.upstream.way import Way, context_of
from gateway.verdict import Reason

KEEP_IDLE = 30.0
"""Seconds after which an idle connection is not used again: below the usual limits of servers
(nginx keeps 75 s, load balancers 60 s), so that few calls meet a connection just closed."""

MAX_IDLE = 256
"""Idle connections kept to one upstream."""


_OTHER_NAME = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, and of silence (before the answer's head, between two pieces)."""

    connect: float = 10.0
    read: float = 600.0


@dataclass(frozen=True, slots=True)
class _Origin:
    host: str
    port: int
    authority: str  # the Host header
    prefix: str  # the base URL's path, behind its origin where a proxy forwards the request
    extra: str = ""  # header lines for the proxy


class _Pool:
    """Connections of one way; the one used last is used first.

    An https upstream behind a proxy is reached by CONNECT. A plain one gets its requests forwarded
    (RFC 9112, 3.2.2), except one that asks for another protocol: for that, too, there is CONNECT.
    """

    def __init__(self, way: Way, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(way.base)
        host, prefix = parts.hostname or "", parts.path.rstrip("/")
        port = parts.port or (443 if context is not None else 80)
        self.switching = self.origin = _Origin(host, port, parts.netloc, prefix)
        self._proxy = way.proxy
        self._forwards = way.proxy is not None and context is None
        if way.proxy is not None and self._forwards:
            asked = way.proxy.authorization
            extra = f"Proxy-Authorization: {asked}\r\n" if asked else ""
            prefix = f"http://{parts.netloc}{prefix}"
            self.origin = _Origin(way.proxy.host, way.proxy.port, parts.netloc, prefix, extra)
        self._context = context
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._retired = False

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

    async def connect(self, timeout: float, *, switching: bool = False) -> Connection:
        """A fresh connection; `switching`: for a request that asks for another protocol. Raises
        OSError or BrokenError."""
        try:
            async with asyncio.timeout(timeout):
                made = await self._connect(self.switching if switching else self.origin, switching)
        except TimeoutError:  # it is away, not slow: nothing can have been done
            raise BrokenError(f"no connection in {timeout:g} s", begun=False) from None
        self._all.add(made)
        return made

    async def _connect(self, origin: _Origin, switching: bool) -> Connection:
        if self._proxy is not None and (switching or not self._forwards):
            return await connect_through(
                self._proxy, origin.host, origin.port, self._make, self._context
            )
        _, made = await asyncio.get_running_loop().create_connection(
            self._make,
            origin.host,
            origin.port,
            ssl=self._context,
            server_hostname=origin.host if self._context is not None else None,
        )
        return made

    def _make(self) -> Connection:
        return Connection(self._give_back)

    def retire(self) -> None:
        """Keep no connection any more; those that carry a call end with it."""
        self._retired = True
        while self._idle:
            self._idle.pop().abort()

    def _give_back(self, connection: Connection, reusable: bool) -> None:
        reusable = reusable and not self._retired
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
        self._pools: dict[Way, _Pool] = {}
        self._context: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Load the system's certificates, once."""
        self._context = client_context()

    def keep(self, ways: Iterable[Way]) -> None:
        """Close what is idle on any other way: no policy names it any more."""
        kept = set(ways)
        for way in [way for way in self._pools if way not in kept]:
            self._pools.pop(way).retire()

    async def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # aborted transports tell their protocols in the next turn

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
        """Send a request, return the answer's head.

        A kept connection that turns out to be closed before anything of the answer came is
        replaced by a fresh one, once, if the method is safe: then nothing can have been done.

        Args:
            way: how the upstream is reached; `target` is put behind its URL as it is.
            max_answer: bytes that `read()` takes at most.

        Raises:
            UpstreamError: 502 where it cannot be reached, 504 where it does not answer in time.
        """
        pool = self._pool(way)
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
        way: Way,
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
        pool = self._pool(way)
        asked = Headers([*headers.items, *upgrade.items])
        data = _encode("GET", pool.switching, target, asked, b"")
        try:
            connection = await pool.connect(timeouts.connect, switching=True)
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

    def _pool(self, way: Way) -> _Pool:
        pool = self._pools.get(way)
        if pool is None:
            context = None
            if way.base.startswith("https:"):
                context = self._context if way.pems is None else context_of(way.pems)
            pool = self._pools[way] = _Pool(way, context)
        return pool


def _encode(method: str, origin: _Origin, target: str, headers: Headers, body: bytes) -> bytes:
    """The request's bytes. The caller's headers keep their order and spelling."""
    lines = [f"{method} {origin.prefix}{target} HTTP/1.1\r\nHost: {origin.authority}\r\n"]
    if origin.extra:
        lines.append(origin.extra)
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
    if isinstance(error, ssl.SSLCertVerificationError):
        named = error.verify_code in _OTHER_NAME
        why = f"its certificate is {'for another name' if named else 'not trusted'}"
    return UpstreamError(
        Reason.UPSTREAM_UNREACHABLE, f"The provider could not be reached or broke off ({why})."
    )
