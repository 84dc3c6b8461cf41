"""The processes as they are wired: a worker told by hand what to be, and the admin listener."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import build
from gateway.config.settings import Address, read_settings
from gateway.control import Line
from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.gateway import RunningGateway
from tests.proxy.local import policy
from tests.proxy.wire import Upstream
from tests.running import CHAT, PATIENCE, lines, ready, says

TOKEN = new_key()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(lambda got: says()) as made:
        yield made


# --- a worker ---


class ByHand:
    """A worker's process, and the supervisor's end of its line."""

    def __init__(self, folder: Path, sock: socket.socket) -> None:
        self._folder, self._sock = folder, sock
        self.audit = folder / "audit"
        ours, theirs = socket.socketpair()
        self._ours = ours
        passed = (theirs.fileno(), sock.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.app", *map(str, passed)],
            pass_fds=passed,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "XDG_STATE_HOME": str(folder),
                "PORTCULLIS_MASTER_KEY_FILE": str(folder / "key"),
            },
        )
        theirs.close()
        (folder / "key").write_bytes(b"k" * 32)

    async def start(self, text: str, **flags: str) -> dict[str, Any]:
        self.line = await Line.open(self._ours)
        self._serving = asyncio.create_task(self.line.serve())
        return await self.line.ask(
            "start",
            PATIENCE,
            number=0,
            flags={"audit": str(self.audit), **flags},
            listen=f"127.0.0.1:{self._sock.getsockname()[1]}",
            texts={"policy.yaml": text},
        )

    async def leave(self) -> tuple[int, str]:
        """End the line, as a supervisor's death does; the worker's exit code and its log."""
        if hasattr(self, "line"):
            await self.line.close()
            await self._serving
        self._ours.close()
        log = await asyncio.to_thread(self.process.communicate, timeout=PATIENCE)
        return self.process.returncode, log[1]


@pytest.fixture
async def by_hand(tmp_path: Path) -> AsyncIterator[ByHand]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        worker = ByHand(tmp_path, sock)
        yield worker
        worker.process.kill()
        worker.process.wait()
        assert worker.process.stderr is not None
        worker.process.stderr.close()


async def test_a_worker_that_nobody_tells_what_to_do_ends(by_hand: ByHand) -> None:
    assert await by_hand.leave() == (0, "")


async def test_a_worker_says_what_is_wrong_with_its_orders_and_ends(by_hand: ByHand) -> None:
    answer = await by_hand.start("version: 1\nnonsense: 2\n")
    assert any(problem.startswith("policy.yaml:2: ") for problem in answer["problems"])
    assert await by_hand.leave() == (1, "")


async def test_a_worker_without_a_supervisor_stops_in_order(
    by_hand: ByHand, upstream: Upstream
) -> None:
    answer = await by_hand.start(json.dumps(policy(upstream.url)))
    assert answer["ready"] is True
    code, log = await by_hand.leave()
    assert (code, "Traceback" in log) == (0, False)
    written = b"".join(path.read_bytes() for path in by_hand.audit.glob("*.jsonl"))
    assert [json.loads(line)["type"] for line in written.splitlines()] == [
        "genesis",
        "started",
        "stopped",
    ]


# --- the wiring ---


Build = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Build]:
    async with AsyncExitStack() as stack:

        async def made(file: dict[str, Any], host: str = "127.0.0.1") -> Any:
            settings = read_settings({"state": "memory://"}, {"XDG_STATE_HOME": str(tmp_path)})
            texts = {"policy.yaml": json.dumps(file).encode()}
            parts, current = await build(settings, Address(host, 8484), texts, b"k" * 32, 0)
            stack.push_async_callback(parts.store.close)
            return current.live

        yield made


async def test_only_loopback_listeners_ask_for_their_own_name(make: Build) -> None:
    file = policy("http://127.0.0.1:1", listener={"hosts": ["Gate.Internal"]})
    live = await make(file)
    assert live.check_host
    assert live.hosts == {"localhost", "127.0.0.1", "[::1]", "gate.internal"}
    assert not (await make(file, "10.0.0.7")).check_host


async def test_every_tenant_has_a_pipeline_and_every_upstream_a_plan(make: Build) -> None:
    file = policy("http://127.0.0.1:1", {"kind": "loop"})
    file["tenants"]["other"] = {"policies": ["p", "q"]}
    file["policies"]["q"] = {"rules": [{"kind": "size", "max_body": "1MB"}]}
    live = await make(file)
    assert {name: len(tenant.pipeline.rules) for name, tenant in live.tenants.items()} == {
        "local": 1,
        "other": 2,
    }
    assert set(live.upstreams) == set(file["upstreams"])


# --- the admin listener of a running gateway ---


def admin_policy(url: str) -> dict[str, Any]:
    token = {"name": "eve", "role": "operator", "hash": hash_of(TOKEN)}
    return policy(url, admin={"tokens": [token]})


async def admin(path: Path, method: str, call: str, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"}
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as client,
        client.request(method, f"http://localhost{call}") as reply,
    ):
        return reply.status, await reply.json()


async def test_an_operator_reloads_through_a_socket_file(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = tmp_path / "admin.sock"
    with RunningGateway(tmp_path, admin_policy(upstream.url), admin=f"unix:{path}") as gateway:
        status, state = await admin(path, "GET", "/admin/v1/status")
        assert (status, state["workers"]) == (200, {"wanted": 1, "ready": 1})
        assert state["health"]["0"]["policy"] == state["policy"]
        assert (await admin(path, "GET", "/admin/v1/status", new_key()))[0] == 401

        gateway.write_policy("version: 1\nnonsense: 2\n")
        status, refused = await admin(path, "POST", "/admin/v1/reload")
        assert status == 422
        assert f"{gateway.policy_path}:2:" in str(refused["problems"])

        gateway.write_policy({**admin_policy(upstream.url), "environment": "test"})
        status, taken = await admin(path, "POST", "/admin/v1/reload")
        assert status == 200
        assert taken["policy"] != state["policy"]
        assert taken["policy"] == ready(gateway)["policy"]
        assert [each["policy"] for each in lines(gateway, "reloaded")] == [taken["policy"]]
    assert '"token":"eve"' in gateway.log
    assert TOKEN not in gateway.log
    assert not path.exists()


def test_the_admin_listener_is_its_own_and_the_probes_serve_nothing_else(
    tmp_path: Path, upstream: Upstream
) -> None:
    policy = admin_policy(upstream.url)
    with RunningGateway(tmp_path, policy, admin="127.0.0.1:0") as gateway:
        where = gateway.first_line.rpartition("admin on http://")[2].strip()
        for base, path, status in (
            (f"http://{where}", "/admin/v1/status", 200),
            (f"http://{where}", "/metrics", 404),
            (f"http://{where}", CHAT, 404),
            (gateway.probes, "/healthz", 200),
            (gateway.probes, "/admin/v1/status", 404),
            (gateway.probes, CHAT, 404),
            (gateway.probes, "/", 404),
        ):
            assert _status(base + path) == status, path
        assert _status(f"http://{where}/admin/v1/status", host="evil.example") == 403


def _status(url: str, host: str = "") -> int:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {TOKEN}"})
    if host:
        request.add_header("host", host)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            status: int = reply.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
