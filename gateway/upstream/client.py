"""The one file of the data path that sends HTTP: aiohttp's client behind our own small types."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import UpstreamError
from gateway.message import Headers, UpstreamReply
from gateway.verdict import Reason

_NO_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, and between two pieces of an answer (the first one included)."""

    connect: float = 10.0
    read: float = 600.0


class Client:
    """Connections to all upstreams of one worker. Must be opened in the event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._bases: dict[str, str] = {}

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(
            limit=0, ttl_dns_cache=60, keepalive_timeout=60, ssl=ssl.create_default_context()
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            skip_auto_headers=_NO_AUTO_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            raise_for_status=False,
            read_bufsize=256 * 1024,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

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

        Args:
            base: the upstream's URL without a trailing slash; `target` is put behind it as it is.
            max_answer: bytes that `read()` takes at most.

        Raises:
            UpstreamError: 502 where it cannot be reached, 504 where it does not answer in time.
        """
        assert self._session is not None
        try:
            answer = await self._session.request(
                method,
                URL(base + target, encoded=True),
                data=body or None,
                headers=CIMultiDict(headers.items),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=timeouts.connect, sock_read=timeouts.read
                ),
            )
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _upstream_error(error, timeouts) from error
        return UpstreamReply(
            answer.status,
            Headers((k.decode("latin-1"), v.decode("latin-1")) for k, v in answer.raw_headers),
            read=lambda: _read(answer, timeouts, max_answer),
            next_piece=lambda: _next_piece(answer, timeouts),
            close=answer.close,
        )


async def _read(answer: aiohttp.ClientResponse, timeouts: Timeouts, limit: int) -> bytes:
    content = answer.content
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                answer.close()
                raise UpstreamError(
                    Reason.ANSWER_MALFORMED,
                    f"The provider's answer is larger than the {limit:,} bytes that this gateway "
                    "reads.",
                    retryable=False,
                )
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _upstream_error(error, timeouts) from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _next_piece(answer: aiohttp.ClientResponse, timeouts: Timeouts) -> bytes:
    try:
        return await answer.content.readany()
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _upstream_error(error, timeouts) from error


def _upstream_error(error: BaseException, timeouts: Timeouts) -> UpstreamError:
    """Our words for what went wrong; the address stays out of them."""
    if isinstance(error, asyncio.TimeoutError):
        return UpstreamError(
            Reason.UPSTREAM_TIMEOUT,
            f"The provider did not answer in time ({timeouts.read:g} s between two pieces, "
            f"{timeouts.connect:g} s to connect).",
            status=504,
        )
    return UpstreamError(
        Reason.UPSTREAM_UNREACHABLE,
        f"The provider could not be reached or broke off ({type(error).__name__}).",
    )
