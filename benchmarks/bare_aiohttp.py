"""A bare, tuned aiohttp proxy: what a gateway on aiohttp costs before it does anything.

Low-level server on uvloop; no access log, no decompression, no automatic headers, bodies as bytes,
no limit on connections. A stream of events is read event by event, each parsed as JSON, and written
as it came. `python -m benchmarks.bare_aiohttp PORT UPSTREAM_URL`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys

import aiohttp
import orjson
import uvloop
from aiohttp import web
from yarl import URL

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# The client and the server write these two themselves.
TO_UPSTREAM = HOP_BY_HOP | {"host", "content-length"}
TO_CALLER = HOP_BY_HOP | {"content-length"}
AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


async def serve(port: int, upstream: str) -> None:
    """Forward everything from `port` to `upstream` until cancelled."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=60),
        auto_decompress=False,
        skip_auto_headers=AUTOMATIC,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )

    @functools.lru_cache(maxsize=1024)
    def address(raw_path: str) -> URL:
        return URL(upstream + raw_path, encoded=True)

    async def relay(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for key, value in answer.headers.items():
            if key.lower() not in TO_CALLER:
                response.headers[key] = value
        response.enable_chunked_encoding()
        await response.prepare(request)
        buffer = b""
        async for piece in answer.content.iter_any():
            *events, buffer = (buffer + piece).split(b"\n\n")
            for event in events:
                data = event[event.find(b"data: ") + 6 :]
                if data != b"[DONE]":
                    orjson.loads(data)
            if events:
                await response.write(b"\n\n".join([*events, b""]))
        await response.write_eof(buffer)
        return response

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in TO_UPSTREAM]
        async with session.request(
            request.method,
            address(request.raw_path),
            data=body or None,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            if answer.content_type == "text/event-stream":
                return await relay(request, answer)
            content = await answer.read()
            response = web.Response(status=answer.status, reason=answer.reason, body=content)
            for key, value in answer.headers.items():
                if key.lower() not in TO_CALLER:
                    response.headers[key] = value
            return response

    server = web.Server(forward, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    gc.collect()
    gc.freeze()
    try:
        await asyncio.Event().wait()
    finally:
        await session.close()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
