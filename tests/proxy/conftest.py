"""A gateway and an upstream for each test, as the test asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.worker import Parts
from tests.proxy.local import LocalGateway, policy
from tests.proxy.wire import Message, Script, Upstream, answer, call

JSON = ("Content-Type", "application/json")


def chat(text: str = "Hello", **more: Any) -> bytes:
    """The body of a chat completion request."""
    return orjson.dumps(
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
    )


def said(text: str = "Hello there.", **more: Any) -> bytes:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": text, **more}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [choice],
            "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        }
    )


@dataclass
class Bench:
    """A gateway, and the upstream behind it."""

    gateway: LocalGateway
    upstream: Upstream

    @property
    def base(self) -> str:
        return self.gateway.base

    def post(
        self,
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        target: str = "/v1/chat/completions",
    ) -> Message:
        return call(self.base, target, body, [JSON, *headers])

    def record(self, reply: Message) -> dict[str, Any]:
        """The `closed` line of the call that got this reply."""
        return self.gateway.record(reply.get("x-portcullis-id"))


Start = Callable[..., Bench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a gateway with some rules: `start({"kind": ...}, script=..., limits=...)`."""
    with ExitStack() as stack:

        def make(
            *rules: dict[str, Any],
            script: Callable[[Message], Script] | None = None,
            arrange: Callable[[Parts], None] = lambda parts: None,
            **more: Any,
        ) -> Bench:
            upstream = stack.enter_context(Upstream(script or (lambda got: answer(said()))))
            file = policy(upstream.url, *rules, **more)
            gateway = stack.enter_context(LocalGateway(tmp_path, file, arrange=arrange))
            return Bench(gateway, upstream)

        yield make
