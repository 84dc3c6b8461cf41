"""Each request goes to who answers it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from gateway.message import Headers, Reply, Request
from gateway.proxy.front import Front
from tests.proxy.conftest import Start
from tests.proxy.wire import call


class Notes:
    """Stands for a handler; notes that it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def handle(self, request: Request, read: Any, play: Any = None) -> Reply:
        return Reply(200, body=(self.name if play is None else "refusal").encode())


def answered_by(request: Request) -> str:
    front = Front(*(cast("Any", Notes(name)) for name in ("handler", "tunnels", "upgrades")))

    async def read(limit: int) -> bytes:
        return b""

    async def ask() -> Reply:
        return await front.handle(request, read)

    body = asyncio.run(ask()).body
    assert isinstance(body, bytes)
    return body.decode()


@pytest.mark.parametrize(
    ("method", "target", "switches", "who"),
    [
        ("POST", "/v1/chat/completions", False, "handler"),
        ("GET", "/v1/models?x=http://a", False, "handler"),
        ("OPTIONS", "*", False, "handler"),
        ("CONNECT", "example.com:443", True, "tunnels"),
        ("CONNECT", "example.com:443", False, "tunnels"),
        ("GET", "/v1/responses", True, "upgrades"),
        ("GET", "http://example.com/", False, "refusal"),
        ("POST", "https://example.com/v1/responses", False, "refusal"),
    ],
)
def test_each_request_goes_to_who_answers_it(
    method: str, target: str, switches: bool, who: str
) -> None:
    assert answered_by(Request(method, target, Headers(), switches=switches)) == who


def test_a_refused_proxy_request_is_recorded(start: Start) -> None:
    bench = start()
    reply = call(bench.base, "http://other.example/", method="GET")
    assert reply.status == 400
    assert orjson.loads(reply.body)["error"]["code"] == "proxy_unsupported"
    assert bench.record(reply)["reason"] == "proxy_unsupported"
    assert bench.upstream.got == []
