"""One worker: reload in two steps, leases renewed, the head told, and an end in order."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import worker as workers
from gateway.errors import ConfigError
from gateway.state.store import StoreError
from gateway.worker import Parts, Worker, unpacked
from tests.proxy.local import LocalGateway, policy
from tests.proxy.wire import WAIT, Connection, Upstream, call, stream
from tests.running import CHAT, JSON, chat, events, says, wait_for

Start = Callable[..., LocalGateway]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(lambda got: says()) as made:
        yield made


@pytest.fixture
def start(tmp_path: Path, upstream: Upstream) -> Iterator[Start]:
    made: list[LocalGateway] = []

    def begin(*rules: dict[str, Any], **more: Any) -> LocalGateway:
        gateway = LocalGateway(tmp_path, policy(upstream.url, *rules), **more)
        made.append(gateway)
        return gateway.__enter__()

    yield begin
    for gateway in made:
        gateway.__exit__()


def tell(gateway: LocalGateway, do: str, **fields: Any) -> dict[str, Any]:
    return gateway.do(gateway.worker.answer({"do": do, **fields}))


def texts(file: dict[str, Any]) -> dict[str, str]:
    return {"policy.yaml": json.dumps(file)}


DENY = {"kind": "patterns", "deny": ["zebra"], "action": "block"}


# --- reload ---


def test_a_policy_is_in_force_once_it_is_committed(start: Start, upstream: Upstream) -> None:
    gateway = start()
    before = tell(gateway, "health")["policy"]
    new = texts(policy(upstream.url, DENY))
    assert tell(gateway, "prepare", texts=new) == {"prepared": True}
    assert tell(gateway, "health")["policy"] == before
    assert call(gateway.base, CHAT, chat("a zebra"), [JSON]).status == 200
    assert tell(gateway, "commit") == {"committed": True}
    after = tell(gateway, "health")["policy"]
    assert call(gateway.base, CHAT, chat("a zebra"), [JSON]).status == 400
    (record,) = gateway.records("reloaded")
    assert (record["before"], record["policy"]) == (before, after)


def test_what_was_not_prepared_is_not_committed(start: Start, upstream: Upstream) -> None:
    gateway = start()
    before = tell(gateway, "health")["policy"]
    assert tell(gateway, "commit") == {"problems": ["nothing was prepared"]}
    tell(gateway, "prepare", texts=texts(policy(upstream.url, DENY)))
    bad = tell(gateway, "prepare", texts={"policy.yaml": "version: 9"})
    assert any("policy.yaml:1:" in problem for problem in bad["problems"])
    assert tell(gateway, "commit") == {"problems": ["nothing was prepared"]}
    assert tell(gateway, "health")["policy"] == before


def test_calls_go_on_while_a_policy_is_built(start: Start, upstream: Upstream) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def arrange(parts: Parts) -> None:
        build = parts.build

        def slow(files: dict[str, bytes]) -> Any:
            begun.set()
            assert go_on.wait(WAIT)
            return build(files)

        parts.build = slow

    gateway = start(arrange=arrange)
    new = texts(policy(upstream.url, DENY))
    told: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: told.append(tell(gateway, "prepare", texts=new)))
    asking.start()
    assert begun.wait(WAIT)
    assert call(gateway.base, CHAT, chat(), [JSON]).status == 200
    go_on.set()
    asking.join(WAIT)
    assert told == [{"prepared": True}]


def test_files_arrive_byte_for_byte() -> None:
    every = bytes(range(256))
    assert unpacked({"a": every.decode("latin-1")}) == {"a": every}


def test_what_nobody_knows_is_a_problem(start: Start) -> None:
    assert tell(start(), "dance") == {"problems": ["unknown request 'dance'"]}


# --- background ---


def test_leases_of_running_calls_are_renewed_and_failures_counted(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "RENEWALS", 6000)
    renewed: list[str] = []
    failed, again = threading.Event(), threading.Event()

    def arrange(parts: Parts) -> None:
        async def renew(leases: list[str]) -> None:
            renewed.extend(leases)
            if not failed.is_set():
                failed.set()
                raise StoreError("away")
            again.set()

        parts.store.renew = renew  # type: ignore[method-assign]

    go_on = threading.Event()
    first, *rest = events("a", "b")
    upstream.script = lambda got: stream([first, go_on, *rest])
    rule = {"kind": "budget", "per": "tenant", "window": "total", "limit": "1M tokens"}
    gateway = start(rule, arrange=arrange)
    with Connection(gateway.base) as connection:
        connection.send("POST", CHAT, chat(stream=True), [JSON])
        head = connection.head()
        assert again.wait(WAIT)  # also after a round that failed
        go_on.set()
        connection.reader.body(head, reply=True, to="POST")
    gateway.idle()
    (record,) = gateway.records()
    assert set(renewed) == {record["limits"]["lease"]}
    assert gateway.parts.metrics.store_errors.series["renew",] == 1


def test_a_store_that_is_lost_and_found_is_recorded_and_what_runs_is_renewed(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[str] = []
    told: list[Callable[[bool], None]] = []

    def arrange(parts: Parts) -> None:
        async def renew(leases: list[str]) -> None:
            renewed.extend(leases)

        parts.store.renew = renew  # type: ignore[method-assign]
        parts.store.watch = told.append  # type: ignore[method-assign]

    go_on = threading.Event()
    first, *rest = events("a", "b")
    upstream.script = lambda got: stream([first, go_on, *rest])
    rule = {"kind": "budget", "per": "tenant", "window": "total", "limit": "1M tokens"}
    gateway = start(rule, arrange=arrange)

    async def tell_all(away: bool) -> None:
        for each in told:
            each(away)

    with Connection(gateway.base) as connection:
        connection.send("POST", CHAT, chat(stream=True), [JSON])
        head = connection.head()
        gateway.do(tell_all(away=True))
        assert tell(gateway, "health")["store"] == "ok"  # what the store itself says
        gateway.do(tell_all(away=False))
        wait_for("the renewal", lambda: renewed)
        go_on.set()
        connection.reader.body(head, reply=True, to="POST")
    gateway.idle()
    (record,) = gateway.records()
    assert renewed == [record["limits"]["lease"]]
    (lost,), (found,) = gateway.records("store_lost"), gateway.records("store_found")
    assert lost["store"] == found["store"] == "memory"
    assert found["away_seconds"] >= 0


def test_health_says_since_when_the_store_is_away(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start()
    monkeypatch.setattr(type(gateway.parts.store), "away_since", 1_700_000_000.9)
    assert tell(gateway, "health")["store"] == "away since 2023-11-14T22:13:20Z"


def test_the_head_is_logged_again_and_again_and_at_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "HEAD_EVERY", 0.001)
    caplog.set_level(logging.INFO, "portcullis.worker")
    gateway = start()
    wait_for("the head", lambda: _heads(caplog))
    gateway.do(gateway.worker.drain(0))
    last = gateway.records("stopped")[0]
    assert _heads(caplog)[-1] == f"{last['chain']}:{last['seq']}:{last['hash']}"


def _heads(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(each)["head"] for each in caplog.records if each.message == "audit head"]


# --- the end ---


def test_a_drain_is_done_once_however_often_it_is_asked_for(start: Start) -> None:
    gateway = start()

    async def twice() -> None:
        gateway.worker.stop()
        await gateway.worker.drain(5)

    gateway.do(twice())
    assert tell(gateway, "drain", limit=5) == {"drained": True}
    assert len(gateway.records("stopped")) == 1


def test_a_hurry_ends_the_waiting(start: Start, upstream: Upstream) -> None:
    first, *_ = events("a")
    upstream.script = lambda got: stream([first], then="hang")
    gateway = start()
    with Connection(gateway.base) as connection:
        connection.send("POST", CHAT, chat(stream=True), [JSON])
        connection.head()
        assert tell(gateway, "hurry") == {"hurrying": True}
        gateway.do(gateway.worker.drain(3600))
    (record,) = gateway.records()
    assert (record["outcome"], record["reason"]) == ("cancelled", "draining")


async def test_what_keeps_it_from_starting_is_a_problem_to_read(tmp_path: Path) -> None:
    class Away:
        async def open(self) -> None: ...

        async def start(self, introduction: dict[str, Any]) -> None:
            raise StoreError("the heads cannot be read")

    parts: Any = type("Some", (), {"client": Away(), "audit": Away()})
    with pytest.raises(ConfigError, match="the heads cannot be read"):
        await Worker(parts, None).start({})  # type: ignore[arg-type]
