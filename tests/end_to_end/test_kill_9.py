"""Killed 50 times under load: the log stays whole, no finished call is missing, no budget goes
back."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.cli.main import main
from gateway.testing.answers import Say, chat_stream
from gateway.testing.answers import chat as chat_answer
from gateway.testing.gateway import RunningGateway, children
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.end_to_end.admissions import level
from tests.end_to_end.traffic import Got, chat, policy, post, session

CALLERS = 8
USAGE = (12, 5)
COST = sum(USAGE)
PATIENCE = 60.0


def script(seen: Seen) -> Raw:
    """Slow answers, so that a kill always meets some in the middle."""
    say = Say(pieces=("Hel", "lo ", "the", "re."), usage=USAGE)
    if seen.json.get("stream"):
        events = tuple(chat_stream(say, usage=True))
        return Raw(pieces=events, content_type="text/event-stream", pause=0.005)
    return Raw(pieces=(orjson.dumps(chat_answer(say)),), pause=0.02)


class Load:
    """Callers that go on calling, whatever happens, and keep what they got."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.finished: list[Got] = []
        self.broken = 0
        self._gateway = gateway
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self._call(number))

    async def _call(self, number: int) -> None:
        stream = number % 2 == 0
        more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        body = chat(f"caller {number}", max_tokens=20, **more)
        async with session() as client:
            while not self._stopped.is_set():
                got = await post(client, self._gateway.base, body)
                if got.whole and got.status == 200:
                    self.finished.append(got)
                else:
                    self.broken += 1
                    await asyncio.sleep(0.1)


class Log:
    """What the audit log holds, read on from where the last look ended."""

    def __init__(self, folder: Path) -> None:
        self.closed: set[str] = set()
        self.budget = ""  # the key of the one budget that there is
        self._folder = folder
        self._places: dict[Path, int] = {}

    def look(self) -> None:
        for path in self._folder.glob("*.jsonl"):
            with path.open("rb") as file:
                file.seek(self._places.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._places[path] = self._places.get(path, 0) + len(line)
                    record: dict[str, Any] = json.loads(line)
                    if record["type"] == "closed":
                        self.closed.add(record["id"])
                        if not self.budget and "limits" in record:
                            self.budget = record["limits"]["claims"][0]["key"]


def wait_for(what: str, done: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < ends, what
        time.sleep(0.005)


def kill_worker(gateway: RunningGateway, chance: random.Random) -> None:
    """One of the workers; its supervisor puts another in its place."""
    before = set(children(gateway.pid))
    victim = chance.choice(sorted(before))
    os.kill(victim, signal.SIGKILL)
    wait_for("another worker", lambda: len(set(children(gateway.pid)) - before) == 1)


def kill_supervisor(gateway: RunningGateway, chance: random.Random) -> None:
    """Its workers end by themselves; another gateway is started at once."""
    orphans = children(gateway.pid)
    os.kill(gateway.pid, signal.SIGKILL)
    os.waitid(os.P_PID, gateway.pid, os.WEXITED | os.WNOWAIT)
    gateway.kill()  # has no workers any more
    gateway.start()
    wait_for("the end of orphans", lambda: not any(map(runs, orphans)))


def kill_all(gateway: RunningGateway, chance: random.Random) -> None:
    """As a machine's end would be."""
    gateway.kill()
    gateway.start()


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_50_kills_under_load_lose_no_record_and_no_money(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(9)
    ways = [kill_worker] * 40 + [kill_supervisor] * 5 + [kill_all] * 5
    chance.shuffle(ways)
    rule = {"kind": "budget", "per": "tenant", "window": "total", "limit": "100M tokens"}
    log, spent = Log(tmp_path / "audit"), 0
    with FakeProvider(script) as provider:
        gateway = RunningGateway(tmp_path, policy(provider.url, rule), ["--workers", "2"])
        monkeypatch.setenv("PORTCULLIS_MASTER_KEY_FILE", str(tmp_path / "master.key"))
        with gateway, Load(gateway) as load:
            for way in ways:
                goal = len(load.finished) + chance.randrange(10, 60)
                wait_for("calls that end", lambda goal=goal: len(load.finished) >= goal)
                way(gateway, chance)
                finished = list(load.finished)
                log.look()
                missing = {got.id for got in finished} - log.closed
                assert not missing
                verified = main(["audit", "verify", "--audit", str(gateway.audit)])
                said = capsys.readouterr().out
                assert verified == 0, said
                now = level(tmp_path / "state.db", log.budget).used
                assert now >= spent
                assert now >= COST * len(finished)
                spent = now
    assert load.broken
