"""`kill -9` of one of two workers under load, a reload, and a drain: callers on kept connections
and on new ones, streamed and whole. Nobody fails but who was on a connection of the killed worker.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from gateway.testing.answers import Say, chat_stream
from gateway.testing.answers import chat as chat_answer
from gateway.testing.gateway import RunningGateway, children
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.end_to_end.traffic import CHAT, JSON, chat, policy
from tests.running import ask, lines, metrics, ready, wait_for

CALLERS = 10
KEPT = 6
"""Calls on one connection, before another is made."""

TOTALS = ("portcullis_requests_total", "portcullis_request_duration_seconds_count")


def script(seen: Seen) -> Raw:
    """Slow answers, so that there are always some in the middle; `slow` ones take a second."""
    say = Say(pieces=("Hel", "lo ", "the", "re."))
    if not seen.json.get("stream"):
        return Raw(pieces=(orjson.dumps(chat_answer(say)),), pause=0.02)
    pause = 0.15 if b'"slow"' in seen.body else 0.005
    return Raw(
        pieces=tuple(chat_stream(say, usage=True)), content_type="text/event-stream", pause=pause
    )


@dataclass
class Call:
    """What became of one call. `port` is the caller's, 0 where no connection was made."""

    begun: float
    ended: float = 0.0
    port: int = 0
    status: int = 0
    id: str = ""
    whole: bool = False

    @property
    def good(self) -> bool:
        return self.whole and self.status == 200


class Caller:
    """Calls of one thread, on kept connections."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._where = urlsplit(gateway.base)
        self._connection: HTTPConnection | None = None
        self._left = 0

    def call(self, body: bytes) -> Call:
        made = Call(time.monotonic())
        try:
            connection = self._connected()
            made.port = connection.sock.getsockname()[1]
            connection.request("POST", CHAT, body, JSON)
            reply = connection.getresponse()
            made.status = reply.status
            made.id = reply.headers["x-portcullis-id"]
            text = reply.read()
            made.whole = text.endswith(b"data: [DONE]\n\n") or text.startswith(b"{")
        except (OSError, HTTPException):
            self.close()
        made.ended = time.monotonic()
        self._left -= 1
        return made

    def _connected(self) -> HTTPConnection:
        if self._connection is None or not self._left:
            self.close()
            assert self._where.hostname is not None
            self._connection = HTTPConnection(self._where.hostname, self._where.port, timeout=60)
            self._connection.connect()
            self._left = KEPT
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Load:
    """Callers that go on calling, and keep what they got, and somebody who scrapes meanwhile."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.calls: list[Call] = []
        self.scrapes: list[tuple[float, float, dict[str, float]]] = []  # began, ended, what
        self._gateway = gateway
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._scrape)]
        self._threads += [threading.Thread(target=self._call, args=[n]) for n in range(CALLERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def more(self, calls: int) -> None:
        """Wait until so many more have ended."""
        goal = len(self.calls) + calls
        wait_for("calls that end", lambda: len(self.calls) >= goal)

    def _call(self, number: int) -> None:
        caller = Caller(self._gateway)
        body = chat(f"caller {number}", stream=number % 2 == 0)
        while not self._stopped.is_set():
            self.calls.append(caller.call(body))
        caller.close()

    def _scrape(self) -> None:
        while not self._stopped.wait(0.1):
            began = time.monotonic()
            found = metrics(self._gateway)
            self.scrapes.append((began, time.monotonic(), found))


@dataclass
class Story:
    """What happened. Times are the monotonic clock's."""

    gateway: RunningGateway
    load: Load
    ports: set[int] = field(default_factory=set)  # of callers whom the killed worker served
    stopped: float = 0.0
    killed: float = 0.0
    replaced: float = 0.0
    last: dict[str, float] = field(
        default_factory=dict, repr=False
    )  # the scrape when the load was over


def served_by(pid: int, port: int) -> set[int]:
    """The callers' ports of the connections to `port` that a process holds (Linux)."""
    held = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(str(file.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        own, other = (int(word.partition(":")[2], 16) for word in words[1:3])
        listens = other == 0
        if own == port and not listens and f"socket:[{words[9]}]" in held:
            found.add(other)
    return found


def kill_one(story: Story) -> None:
    """The one that serves more callers, stopped first, so that it takes no connection while they
    are looked at."""
    gateway = story.gateway
    port = urlsplit(gateway.base).port
    assert port is not None
    victim = max(children(gateway.pid), key=lambda pid: len(served_by(pid, port)))
    story.stopped = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    story.ports = served_by(victim, port)
    story.killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_for("another worker", lambda: metrics(gateway)["portcullis_workers_replaced_total"] == 1)
    story.replaced = time.monotonic()


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(script) as made:
        yield made


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[Story]:
    rule = {"kind": "budget", "per": "tenant", "window": "total", "limit": "100M tokens"}
    file = policy(provider.url, rule)
    folder = tmp_path_factory.mktemp("killed")
    with RunningGateway(folder, file, ["--workers", "2"]) as gateway:
        with Load(gateway) as load:
            told = Story(gateway, load)
            load.more(100)
            wait_for("a scrape", lambda: load.scrapes)
            kill_one(told)
            load.more(100)
            before = ready(gateway)["policy"]
            deny = {"kind": "patterns", "deny": ["zebra"], "surfaces": ["user"], "action": "block"}
            gateway.write_policy(policy(provider.url, rule, deny))
            os.kill(gateway.pid, signal.SIGHUP)
            wait_for("the reload", lambda: ready(gateway)["policy"] != before)
            load.more(50)
        told.last = metrics(gateway)
        yield told


def test_only_calls_on_connections_of_the_killed_worker_fail(story: Story) -> None:
    failed = [call for call in story.load.calls if not call.good]
    assert failed  # a kill under load meets some
    assert {call.port for call in failed} <= story.ports
    assert all(call.ended >= story.killed for call in failed)
    assert len(failed) <= len(story.ports)  # each connection once


def test_who_connects_before_there_is_another_worker_is_served(story: Story) -> None:
    old = {call.port for call in story.load.calls if call.begun < story.killed}
    between = [
        call
        for call in story.load.calls
        if story.killed < call.begun < story.replaced and call.port not in old
    ]
    assert between
    assert all(call.good for call in between)


def test_no_total_falls_and_each_call_is_counted(story: Story) -> None:
    scrapes = [scrape for _, _, scrape in story.load.scrapes] + [story.last]
    for name in TOTALS:
        values = [scrape[name] for scrape in scrapes]
        assert values == sorted(values)
    assert story.last["portcullis_workers"] == 2
    assert story.last["portcullis_workers_replaced_total"] == 1
    assert story.last["portcullis_requests_in_flight"] == 0

    good = [call for call in story.load.calls if call.good]
    # What the killed worker had counted since it was last looked at went with it.
    scraped = max(began for began, ended, _ in story.load.scrapes if ended < story.stopped)
    unseen = [call for call in good if scraped <= call.ended <= story.killed]
    closed = lines(story.gateway, "closed")
    assert len(good) - len(unseen) <= story.last["portcullis_requests_total"] <= len(closed)


def test_the_new_policy_is_in_every_worker_the_replacement_included(story: Story) -> None:
    assert {ask(story.gateway, "a zebra").status for _ in range(12)} == {400}
    assert ask(story.gateway, "a horse").status == 200


def test_a_drain_lets_the_streams_of_all_workers_end_and_the_log_verifies(story: Story) -> None:
    gateway, where = story.gateway, urlsplit(story.gateway.base)
    assert where.hostname is not None and where.port is not None
    streams: list[tuple[HTTPConnection, HTTPResponse]] = []
    while not all(served_by(pid, where.port) for pid in children(gateway.pid)):
        assert len(streams) < 100
        connection = HTTPConnection(where.hostname, where.port, timeout=60)
        connection.request("POST", CHAT, chat("slow", stream=True), JSON)
        streams.append((connection, connection.getresponse()))
    os.kill(gateway.pid, signal.SIGTERM)
    texts = []
    for connection, reply in streams:
        texts.append(reply.read())
        connection.close()
    assert all(text.endswith(b"data: [DONE]\n\n") for text in texts)
    assert gateway.stop() == 0
    assert len(lines(gateway, "stopped")) == 2

    verified = gateway.verify()
    assert verified.returncode == 0, verified.stdout
    opened, closed = ({each["id"] for each in lines(gateway, k)} for k in ("opened", "closed"))
    assert {call.id for call in story.load.calls if call.good} <= closed
    assert len(opened - closed) <= sum(not call.good for call in story.load.calls)
