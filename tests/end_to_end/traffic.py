"""Calls for the end-to-end tests: many at once, from this process, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

MODEL = "gpt-4o-mini"
CHAT = "/v1/chat/completions"


def policy(url: str, *rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A policy file: both providers at `url`, one tenant for whoever calls, one policy `p`."""
    return {
        "version": 1,
        "upstreams": {
            "openai": {"provider": "openai", "url": url},
            "anthropic": {"provider": "anthropic", "url": url},
        },
        "tenants": {"local": {"policies": ["p"]}},
        "default_tenant": "local",
        "policies": {"p": {"rules": list(rules)}},
        **more,
    }


def chat(text: str = "Hello", **more: Any) -> bytes:
    """The body of a chat completion request."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "messages": messages, **more}).encode()


@dataclass(frozen=True, slots=True)
class Got:
    """What a caller got. `whole`: the answer came to its end; status 0: no answer's head came."""

    status: int = 0
    id: str = ""
    reason: str = ""
    body: bytes = b""
    whole: bool = False


async def post(session: aiohttp.ClientSession, base: str, body: bytes, path: str = CHAT) -> Got:
    """Send one call, once, and read what comes."""
    status, exchange, reason, seen = 0, "", "", b""
    try:
        async with session.post(base + path, data=body, headers=JSON) as reply:
            status = reply.status
            exchange = reply.headers.get("x-portcullis-id", "")
            reason = reply.headers.get("x-portcullis-reason", "")
            async for piece in reply.content.iter_any():
                seen += piece
    except (aiohttp.ClientError, OSError):
        return Got(status, exchange, reason, seen)
    return Got(status, exchange, reason, seen, whole=True)


JSON = {"content-type": "application/json"}


def session(calls: int = 0) -> aiohttp.ClientSession:
    """A client for so many calls at once (0: without a limit) that sends nothing twice."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=calls),
        timeout=aiohttp.ClientTimeout(total=120),
        middlewares=(),
    )


async def at_once(base: str, bodies: list[bytes]) -> list[Got]:
    """Send all bodies at the same time, each on a connection of its own."""
    async with session() as client:
        return await asyncio.gather(*(post(client, base, body) for body in bodies))


def outcomes(replies: list[Got]) -> Counter[str]:
    """How many got what: `200`, or the reason of the refusal."""
    return Counter(got.reason or str(got.status) for got in replies)
