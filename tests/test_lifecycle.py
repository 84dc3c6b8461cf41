"""Start, reload, drain, stop: what an operator does to a gateway that runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_texts
from gateway.config.settings import read_settings
from gateway.errors import ConfigError
from gateway.lifecycle import check_anonymous, check_settings
from gateway.testing.gateway import RunningGateway, children
from tests.proxy.local import policy
from tests.proxy.wire import Connection, Message, Upstream, stream
from tests.running import CHAT, JSON, ask, chat, events, lines, metrics, ready, runs, says, wait_for


def deny(*phrases: str, surfaces: tuple[str, ...] = ("user",)) -> dict[str, Any]:
    return {"kind": "patterns", "deny": list(phrases), "surfaces": surfaces, "action": "block"}


# --- reload ---


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(lambda got: says()) as made:
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[RunningGateway]:
    """A gateway of two workers. Each test begins with a policy of its own."""
    folder = tmp_path_factory.mktemp("pair")
    with RunningGateway(folder, policy(upstream.url), ["--workers", "2"]) as gateway:
        yield gateway


def put(gateway: RunningGateway, file: dict[str, Any] | str, *, hup: bool = True) -> str:
    """Put another policy in place and wait until every worker has it; its digest."""
    before = ready(gateway)["policy"]
    gateway.write_policy(file)
    if hup:  # sooner than the next look at the file
        os.kill(gateway.pid, signal.SIGHUP)
    wait_for("the reload", lambda: ready(gateway)["policy"] != before)
    digest: str = ready(gateway)["policy"]
    change = (before, digest)
    found = [e for e in lines(gateway, "reloaded") if (e["before"], e["policy"]) == change]
    assert len({each["chain"] for each in found}) == 2
    return digest


def test_a_changed_file_is_taken_by_every_worker(pair: RunningGateway, upstream: Upstream) -> None:
    assert ask(pair, "a zebra").status == 200
    put(pair, policy(upstream.url, deny("zebra")), hup=False)
    assert {ask(pair, "a zebra").status for _ in range(8)} == {400}
    assert ask(pair, "a horse").status == 200


def test_sighup_loads_at_once_and_without_a_change_does_nothing(
    pair: RunningGateway, upstream: Upstream
) -> None:
    put(pair, policy(upstream.url, deny("gnu")))
    loads = metrics(pair)["portcullis_config_reloads_total"]
    reloads = len(lines(pair, "reloaded"))
    os.kill(pair.pid, signal.SIGHUP)
    wait_for("a load", lambda: metrics(pair)["portcullis_config_reloads_total"] > loads)
    assert len(lines(pair, "reloaded")) == reloads
    assert ask(pair, "a gnu").status == 400


def test_a_bad_file_changes_nothing_and_says_so_until_it_is_mended(
    pair: RunningGateway, upstream: Upstream
) -> None:
    put(pair, policy(upstream.url, deny("lynx")))
    good = pair.policy_path.read_text()
    before = metrics(pair)
    pair.write_policy("version: 1\nupstreams: {}\nnonsense: 7\n")
    state = wait_for("problems", lambda: _with_problems(pair))
    assert (state["http"], state["status"]) == (200, "ready, with the policy from before")
    assert any(f"{pair.policy_path}:3:" in problem for problem in state["policy_problems"])
    assert f"{pair.policy_path}:3:" in pair.log
    after = metrics(pair)
    assert after["portcullis_config_last_reload_successful"] == 0
    assert after["portcullis_config_last_reload_failure_timestamp_seconds"] > 0
    name = "portcullis_config_reloads_total"
    assert after[name] == before[name] + 1
    assert ask(pair, "a lynx").status == 400

    pair.write_policy(good)
    wait_for("no problems", lambda: not ready(pair)["policy_problems"])
    assert metrics(pair)["portcullis_config_last_reload_successful"] == 1
    assert ready(pair)["status"] == "ready"
    assert ask(pair, "a lynx").status == 400


def _with_problems(gateway: RunningGateway) -> dict[str, Any] | None:
    state = ready(gateway)
    return state if state["policy_problems"] else None


def test_a_file_that_is_gone_keeps_the_policy(pair: RunningGateway, upstream: Upstream) -> None:
    put(pair, policy(upstream.url, deny("moose")))
    good = pair.policy_path.read_text()
    pair.policy_path.unlink()
    state = wait_for("problems", lambda: _with_problems(pair))
    assert "cannot be read" in state["policy_problems"][0]
    assert ask(pair, "a moose").status == 400
    pair.write_policy(good)
    wait_for("no problems", lambda: not ready(pair)["policy_problems"])


def test_added_and_removed_keys_are_recorded(pair: RunningGateway, upstream: Upstream) -> None:
    file = policy(upstream.url, deny("okapi"))
    put(pair, file)
    count = len(lines(pair, "key_changed"))
    key = {"name": "bot", "hash": "sha256:" + "a" * 64}
    put(pair, {**file, "tenants": {"local": {"policies": ["p"], "keys": [key]}}})
    pair.write_policy(file)
    os.kill(pair.pid, signal.SIGHUP)
    wait_for("both changes", lambda: len(lines(pair, "key_changed")) == count + 4)
    found = [each for each in lines(pair, "key_changed") if "worker-0" in each["chain"]]
    assert [(each["change"], each["name"]) for each in found] == [
        ("added", "bot"),
        ("removed", "bot"),
    ]


def test_rollback_returns_to_the_version_before_until_the_file_is_edited(
    pair: RunningGateway, upstream: Upstream
) -> None:
    first = put(pair, policy(upstream.url, deny("tapir")))
    second = put(pair, policy(upstream.url))
    assert ask(pair, "a tapir").status == 200
    done = pair.command("rollback")
    assert (done.returncode, first in done.stdout) == (0, True)
    wait_for("the version before", lambda: ready(pair)["policy"] == first)
    assert ready(pair)["pinned"] == first
    assert ask(pair, "a tapir").status == 400
    third = put(pair, policy(upstream.url, deny("yak")))
    assert third not in (first, second)
    assert ready(pair)["pinned"] is None
    assert ask(pair, "a tapir").status == 200


def test_rollback_holds_against_a_file_that_cannot_be_used(
    pair: RunningGateway, upstream: Upstream
) -> None:
    first = put(pair, policy(upstream.url, deny("ibex")))
    put(pair, policy(upstream.url))
    pair.write_policy("no: policy\n")
    wait_for("problems", lambda: _with_problems(pair))
    assert pair.command("rollback").returncode == 0
    wait_for("the version before", lambda: ready(pair)["policy"] == first)
    assert ready(pair)["policy_problems"] == []
    put(pair, policy(upstream.url, deny("dodo")))
    assert ready(pair)["pinned"] is None


def test_workers_are_one_scrape(pair: RunningGateway, upstream: Upstream) -> None:
    put(pair, policy(upstream.url, deny("emu")))
    before = metrics(pair)
    for _ in range(20):
        assert ask(pair).status == 200
    after = metrics(pair)
    name = "portcullis_requests_total"
    assert after[name] - before[name] == 20
    assert after["portcullis_workers"] == 2


# --- calls that are running meanwhile ---


class Gate:
    """A gateway of one worker, and an upstream whose streams end when they may."""

    def __init__(self, folder: Path, *rules: dict[str, Any], **more: Any) -> None:
        self.go_on = threading.Event()
        first, *rest = events("Hel", "lo ", "the ", "tail")
        self.whole = b"".join([first, *rest])
        self.upstream = Upstream(
            lambda got: stream([first, self.go_on, *rest]) if b"stream" in got.body else says()
        )
        self._rules, self._more = rules, more
        self._folder = folder

    def __enter__(self) -> Gate:
        self.upstream.__enter__()
        file = policy(self.upstream.url, *self._rules, **self._more)
        self.gateway = RunningGateway(self._folder, file)
        self.gateway.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.gateway.stop()
        self.upstream.__exit__()

    def begin(self) -> tuple[Connection, Message]:
        """Begin a stream, up to its first piece."""
        connection = Connection(self.gateway.base)
        connection.send("POST", CHAT, chat(stream=True), [JSON])
        head = connection.head()
        assert connection.reader.chunk()
        return connection, head


def rest_of(connection: Connection) -> bytes:
    """What still comes of a chunked reply. Raises ConnectionError where it is cut."""
    pieces = []
    while piece := connection.reader.chunk():
        pieces.append(piece)
    return b"".join(pieces)


def test_a_call_keeps_the_policy_that_it_began_with(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        before = ready(gateway)["policy"]
        connection, head = gate.begin()
        gateway.write_policy(policy(gate.upstream.url, deny("tail", surfaces=("output",))))
        wait_for("the reload", lambda: ready(gateway)["policy"] != before)
        gate.go_on.set()
        with connection:
            assert b"tail" in rest_of(connection)
        assert gateway.record(head.get("x-portcullis-id"))["policy"] == before
        other, head = gate.begin()
        with other:
            assert b"tail" not in rest_of(other)
        assert gateway.record(head.get("x-portcullis-id"))["outcome"] == "blocked"


def test_sigterm_lets_running_calls_finish_and_takes_no_new_ones(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        kept = Connection(gateway.base)
        kept.send("GET", "/v1/models")
        assert kept.reply("GET").status == 200
        connection, head = gate.begin()
        os.kill(gateway.pid, signal.SIGTERM)
        state = wait_for("the drain", lambda: _draining(gateway))
        assert (state["http"], state["status"]) == (503, "not ready")
        with pytest.raises(OSError):
            Connection(gateway.base)
        with kept:
            kept.send("GET", "/v1/models")
            refused = kept.reply("GET")
        assert (refused.status, refused.get("x-portcullis-reason")) == (503, "draining")
        assert (refused.get("x-should-retry"), refused.get("connection")) == ("", "close")
        gate.go_on.set()
        with connection:
            assert b"tail" in rest_of(connection)
        assert gateway.stop() == 0
        assert gateway.record(head.get("x-portcullis-id"))["outcome"] == "answered"
        assert len(lines(gateway, "stopped")) == 1
        assert gateway.verify().returncode == 0


def _draining(gateway: RunningGateway) -> dict[str, Any] | None:
    state = ready(gateway)
    return state if state["draining"] else None


def test_a_call_that_does_not_end_is_cut_at_the_limit_and_recorded(tmp_path: Path) -> None:
    with Gate(tmp_path, limits={"drain": "100ms"}) as gate:
        connection, head = gate.begin()
        assert gate.gateway.stop() == 0
        with connection, pytest.raises(ConnectionError):
            rest_of(connection)
        record = gate.gateway.record(head.get("x-portcullis-id"))
        assert (record["outcome"], record["reason"]) == ("cancelled", "draining")
        assert gate.gateway.verify().returncode == 0


def test_a_second_signal_cuts_and_records_at_once(tmp_path: Path) -> None:
    with Gate(tmp_path, limits={"drain": "1h"}) as gate:
        gateway = gate.gateway
        connection, head = gate.begin()
        os.kill(gateway.pid, signal.SIGTERM)
        wait_for("the drain", lambda: _draining(gateway))
        assert gateway.stop() == 0  # the second SIGTERM
        with connection, pytest.raises(ConnectionError):
            rest_of(connection)
        record = gateway.record(head.get("x-portcullis-id"))
        assert (record["outcome"], record["reason"]) == ("cancelled", "draining")
        assert len(lines(gateway, "stopped")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_is_an_orderly_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C in a terminal, and what systemd sends: all processes get it at the same time."""
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        connection, head = gate.begin()
        for pid in [*children(gateway.pid), gateway.pid]:
            os.kill(pid, number)
        wait_for("the drain", lambda: _draining(gateway))
        gate.go_on.set()
        with connection:
            assert b"tail" in rest_of(connection)
        wait_for("the end", lambda: not runs(gateway.pid))
        assert gateway.stop() == 0
        assert gateway.record(head.get("x-portcullis-id"))["outcome"] == "answered"
        assert len(lines(gateway, "stopped")) == 1


# --- death ---


def test_a_killed_worker_is_replaced_and_nobody_is_refused_meanwhile(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        assert ask(gateway).status == 200
        before = metrics(gateway)
        connection, head = gate.begin()
        (worker,) = children(gateway.pid)
        os.kill(worker, signal.SIGKILL)
        with connection, pytest.raises(ConnectionError):
            rest_of(connection)
        assert ask(gateway).status == 200  # waited in the queue
        after = wait_for("the other worker", lambda: _replaced(gateway))
        assert after["portcullis_requests_total"] == before["portcullis_requests_total"] + 1
        assert "worker 0 ended with code -9" in gateway.log
        verified = gateway.verify()
        assert verified.returncode == 0, verified.stdout
        assert f"never closed: {head.get('x-portcullis-id')}" in verified.stdout


def _replaced(gateway: RunningGateway) -> dict[str, float] | None:
    found = metrics(gateway)
    return found if found["portcullis_workers_replaced_total"] == 1 else None


def test_a_stopped_worker_is_replaced_too_and_its_calls_finish(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        connection, head = gate.begin()
        (worker,) = children(gateway.pid)
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGHUP)  # is the supervisor's: a worker does not die of it
        gate.go_on.set()
        with connection:
            assert b"tail" in rest_of(connection)
        # A connection that it took just before it heard of its end is told to send again.
        wait_for("an answer", lambda: ask(gateway).status == 200)
        wait_for("the other worker", lambda: _replaced(gateway))
        assert gateway.record(head.get("x-portcullis-id"))["outcome"] == "answered"


def test_readiness_needs_every_worker(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        (worker,) = children(gateway.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            state = ready(gateway)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert (state["http"], state["status"]) == (503, "not ready")
        wait_for("readiness", lambda: ready(gateway)["http"] == 200)


def test_workers_of_a_killed_supervisor_finish_their_calls_and_end(tmp_path: Path) -> None:
    with Gate(tmp_path) as gate:
        gateway = gate.gateway
        connection, head = gate.begin()
        workers = children(gateway.pid)
        os.kill(gateway.pid, signal.SIGKILL)
        wait_for("no new calls", lambda: not _takes_calls(gateway))
        assert all(map(runs, workers))
        gate.go_on.set()
        with connection:
            assert b"tail" in rest_of(connection)
        wait_for("the end of the workers", lambda: not any(map(runs, workers)))
        assert gateway.record(head.get("x-portcullis-id"))["outcome"] == "answered"
        assert len(lines(gateway, "stopped")) == 1


def _takes_calls(gateway: RunningGateway) -> bool:
    try:
        Connection(gateway.base).sock.close()
    except OSError:
        return False
    return True


# --- what does not go together ---

OPEN = """
version: 1
upstreams: {openai: {provider: openai, url: "https://api.openai.com", credential: "${OWN_KEY}"}}
tenants: {local: {policies: [p]}}
policies: {p: {rules: []}}
default_tenant: local
"""


@pytest.mark.parametrize(
    ("flags", "text", "variables", "refused"),
    [
        ({"listen": "0.0.0.0:8484"}, OPEN, {"OWN_KEY": "sk-1"}, True),
        ({"listen": "[::]:8484"}, OPEN, {"OWN_KEY": "sk-1"}, True),
        ({"listen": "127.0.0.1:8484"}, OPEN, {"OWN_KEY": "sk-1"}, False),
        ({"listen": "0.0.0.0:8484", "allow_anonymous": "true"}, OPEN, {"OWN_KEY": "sk-1"}, False),
        ({"listen": "0.0.0.0:8484"}, OPEN, {}, False),  # nothing to spend
        ({"listen": "0.0.0.0:8484"}, OPEN + "forward_proxy: {}\n", {}, True),  # an open proxy
        ({"listen": "127.0.0.1:8484"}, OPEN + "forward_proxy: {}\n", {}, False),
        (
            {"listen": "0.0.0.0:8484"},
            OPEN.replace("default_tenant: local", ""),
            {"OWN_KEY": "sk-1"},
            False,
        ),
    ],
)
def test_nobody_spends_the_operators_credential_from_elsewhere_without_a_key(
    tmp_path: Path, flags: dict[str, str], text: str, variables: dict[str, str], refused: bool
) -> None:
    settings = read_settings(flags, {"XDG_STATE_HOME": str(tmp_path)})
    loaded = load_texts({"policy.yaml": text.encode()}, variables)
    if refused:
        with pytest.raises(ConfigError, match="--allow-anonymous"):
            check_anonymous(settings, loaded)
    else:
        check_anonymous(settings, loaded)


def test_a_reload_cannot_open_what_a_start_would_refuse(tmp_path: Path) -> None:
    with Upstream(lambda got: says()) as upstream:
        file = policy(upstream.url)
        file["upstreams"]["openai"]["credential"] = "sk-own"
        key = {"name": "bot", "hash": "sha256:" + "a" * 64}
        file["tenants"]["local"]["keys"] = [key]
        closed = {name: value for name, value in file.items() if name != "default_tenant"}
        with RunningGateway(tmp_path, closed, ["--listen", "0.0.0.0:0"]) as gateway:
            gateway.write_policy(file)
            state = wait_for("problems", lambda: _with_problems(gateway))
            assert "--allow-anonymous" in state["policy_problems"][0]
            digest = state["policy"]
            assert ready(gateway)["policy"] == digest


def test_memory_is_one_workers_own(tmp_path: Path) -> None:
    variables = {"XDG_STATE_HOME": str(tmp_path)}
    check_settings(read_settings({"state": "memory://"}, variables))
    check_settings(read_settings({"workers": "2"}, variables))
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        check_settings(read_settings({"state": "memory://", "workers": "2"}, variables))
