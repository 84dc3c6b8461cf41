"""What the tests of a running gateway look at from outside: its probes, metrics and processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from gateway.testing.answers import Say, chat_stream
from gateway.testing.answers import chat as chat_answer
from gateway.testing.gateway import RunningGateway
from tests.proxy.wire import Message, Script, answer, call

T = TypeVar("T")

PATIENCE = 60.0
CHAT = "/v1/chat/completions"
JSON = ("Content-Type", "application/json")
MODEL = "gpt-4o-mini"


def wait_for(what: str, look: Callable[[], T]) -> T:
    """Look until there is something; the test fails where nothing comes for a minute."""
    ends = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < ends, f"waited for {what}"
        time.sleep(0.01)
    return found


def chat(text: str = "Hello", **more: Any) -> bytes:
    """The body of a chat completion request."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "messages": messages, **more}).encode()


def ask(gateway: RunningGateway, text: str = "Hello", **more: Any) -> Message:
    """One call on a connection of its own."""
    return call(gateway.base, CHAT, chat(text, **more), [JSON])


def says(text: str = "Hello there.") -> Script:
    """A whole answer of the provider."""
    return answer(json.dumps(chat_answer(Say(pieces=[text]))).encode())


def events(*pieces: str) -> list[bytes]:
    """A streamed answer's events, one a piece and some around them."""
    return chat_stream(Say(pieces=pieces), usage=False)


def ready(gateway: RunningGateway) -> dict[str, Any]:
    """What `/readyz` says, with its HTTP status under `http`."""
    got = call(gateway.probes, "/readyz", method="GET")
    return {**json.loads(got.body), "http": got.status}


def metrics(gateway: RunningGateway) -> dict[str, float]:
    """Every metric by name, its series added up."""
    text = call(gateway.probes, "/metrics", method="GET").body.decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def lines(gateway: RunningGateway, kind: str) -> list[dict[str, Any]]:
    """The audit log's records of one type."""
    return [record for record in gateway.records() if record["type"] == kind]


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
