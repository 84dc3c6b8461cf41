"""A webhook hears of a spent budget from a real gateway, signed, once; a stop keeps the rest."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.dead_letters import DeadLetters
from gateway.testing.gateway import RunningGateway
from tests.cli.test_notices import Receiver, receiver

__all__ = ["receiver"]
SECRET = "a secret of many letters"


def policy(url: str) -> dict[str, Any]:
    rule = {"kind": "budget", "per": "tenant", "window": "day", "limit": "$0.000001"}
    return {
        "version": 1,
        "upstreams": {"openai": {"provider": "openai", "url": "http://127.0.0.1:9"}},
        "tenants": {"local": {"policies": ["base"]}},
        "default_tenant": "local",
        "policies": {"base": {"rules": [rule]}},
        "notices": {"webhooks": [{"name": "ops", "url": url, "secret": SECRET}]},
    }


def ask(base: str) -> int:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"{base}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def gateway(tmp_path: Path, receiver: Receiver) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path / "gateway", policy(receiver.url)) as running:
        yield running


def until(count: int, receiver: Receiver) -> None:
    ends = time.monotonic() + 20
    while len(receiver.got) < count and time.monotonic() < ends:
        time.sleep(0.02)


def test_a_spent_budget_is_told_of_once_and_signed(
    gateway: RunningGateway, receiver: Receiver
) -> None:
    assert [ask(gateway.base) for _ in range(3)] == [400, 400, 400]
    until(1, receiver)
    gateway.stop()
    ((headers, told),) = receiver.got
    assert told["event"] == "budget_exceeded"
    assert told["details"]["rule"] == "base/budget-tenant-day"
    body = json.dumps(told, separators=(",", ":")).encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    record = gateway.record(told["details"]["exchange"])
    assert record["reason"] == "budget_exceeded"


def test_what_could_not_be_delivered_by_the_stop_is_kept_and_resent(
    gateway: RunningGateway, receiver: Receiver
) -> None:
    receiver.status = 503
    ask(gateway.base)
    until(1, receiver)
    gateway.stop()
    letters = DeadLetters(gateway.folder / "portcullis")
    assert [letter.notice.event for letter in letters.read()] == ["budget_exceeded"]
    receiver.status = 200
    done = gateway.command("notices", "resend", "--policies", str(gateway.policy_path))
    assert (done.returncode, done.stdout) == (0, "1 sent, 0 kept\n"), done.stderr
    assert receiver.got[-1][1]["id"] == receiver.got[0][1]["id"]
    assert letters.read() == []
