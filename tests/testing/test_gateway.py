"""A running gateway can be started, asked, stopped, killed and started again on the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway, children
from gateway.testing.provider import FakeProvider
from tests.proxy.conftest import JSON, chat
from tests.proxy.local import policy
from tests.proxy.wire import call


def test_it_serves_and_stops_in_order(tmp_path: Path) -> None:
    with FakeProvider() as provider:
        gateway = RunningGateway(tmp_path, policy(provider.url))
        with gateway:
            reply = call(gateway.base, "/v1/chat/completions", chat(), [JSON])
            assert reply.status == 200
            assert call(gateway.probes, "/healthz", method="GET").status == 200
            record = gateway.record(reply.get("x-portcullis-id"))
            assert (record["type"], record["outcome"]) == ("closed", "answered")
            gateway.write_policy(policy(provider.url, {"kind": "size", "max_tools": 1}))
    kinds = [record["type"] for record in gateway.records()]
    assert kinds[-1] == "stopped"
    assert gateway.verify().returncode == 0
    assert "Portcullis listens on" in gateway.first_line
    assert gateway.stop() == 0  # once more does no harm


def test_it_goes_on_after_a_kill_where_it_ended(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, policy("http://127.0.0.1:9"))
    gateway.start()
    workers = children(gateway.pid)
    assert workers
    gateway.kill()
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in workers)
    with gateway:
        assert call(gateway.base, "/v1/x", b"{}", [JSON]).status in (400, 502)
    assert gateway.verify().returncode == 0


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, {"version": 1})
    with pytest.raises(RuntimeError, match="upstreams"):
        gateway.start()


def test_stopping_at_once_is_in_order_too(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path, policy("http://127.0.0.1:9"))
    gateway.start()
    assert gateway.stop() == 0
    assert gateway.records()[-1]["type"] == "stopped"
