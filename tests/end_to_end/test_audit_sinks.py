"""The audit log of a running gateway on stdout, at a collector, or there as well as in files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway
from tests.proxy.local import policy
from tests.proxy.wire import Upstream
from tests.running import ask, metrics, ready, says, wait_for
from tests.telemetry.collector import Collector
from tests.telemetry.test_otlp_logs import bodies


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(lambda got: says()) as made:
        yield made


class Captured:
    """Reads a gateway's stdout, as a container's runtime does."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.lines = [*gateway.before, gateway.first_line]
        self._stdout = gateway.stdout
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        self.lines += self._stdout

    def whole(self) -> None:
        """Wait until there can be no more."""
        self._thread.join(60)


def verify(gateway: RunningGateway, path: Path, *more: str) -> tuple[int, str]:
    done = gateway.command("audit", "verify", str(path), "--state", gateway.state, *more)
    return done.returncode, done.stdout + done.stderr


def test_a_pod_without_a_volume_has_its_audit_log_on_stdout(
    tmp_path: Path, upstream: Upstream
) -> None:
    gateway = RunningGateway(
        tmp_path, policy(upstream.url), ["--workers", "2", "--audit", "stdout:"]
    )
    gateway.start()
    captured = Captured(gateway)
    assert [ask(gateway, f"call {number}").status for number in range(12)] == [200] * 12
    assert ready(gateway)["audit"] == "ok"
    early = wait_for("records", lambda: captured.lines[:-2] if len(captured.lines) > 9 else None)
    process = gateway._process
    assert process is not None
    process.terminate()
    process.wait(60)
    captured.whole()
    gateway.stop()
    assert not gateway.audit.exists()
    assert '"mac"' not in gateway.log
    path = tmp_path / "captured"
    path.write_text("".join(captured.lines))
    code, told = verify(gateway, path)
    assert (code, "12 exchanges" in told) == (0, True), told
    assert "1 lines that are no records" in told
    path.write_text("".join(each for each in captured.lines if '"call' not in each)[:-200] + "\n")
    assert verify(gateway, path)[0] == 2  # the end is not there
    path.write_text("".join(captured.lines).replace('"status":200', '"status":201', 1))
    assert verify(gateway, path)[0] == 1
    path.write_text("".join(early))
    assert verify(gateway, path)[0] == 2
    head = gateway.log.rpartition('"head":"')[2].partition('"')[0]
    code, told = verify(gateway, path, "--head", head)
    assert (code, "cut:" in told) == (1, True), told


def test_a_log_on_stdout_that_nobody_reads_stops_calls_as_the_policy_says(
    tmp_path: Path, upstream: Upstream
) -> None:
    file = policy(upstream.url, audit={"durability": "sync"})
    gateway = RunningGateway(tmp_path, file, ["--audit", "stdout:"])
    gateway.start()
    body = "x" * 10
    statuses = []

    def look() -> bool:
        statuses.append(ask(gateway, body).status)
        return statuses[-1] == 503

    wait_for("the first refusal", look)
    assert set(statuses) == {200, 503}
    assert metrics(gateway)["portcullis_audit_healthy"] == 0
    captured = Captured(gateway)
    wait_for("calls", lambda: ask(gateway, body).status == 200)
    wait_for("health", lambda: metrics(gateway)["portcullis_audit_healthy"] == 1)
    process = gateway._process
    assert process is not None
    process.terminate()
    process.wait(60)
    captured.whole()
    gateway.stop()
    (tmp_path / "captured").write_text("".join(captured.lines))
    code, told = verify(gateway, tmp_path / "captured")
    assert code == 0, told


def test_a_collector_gets_a_copy_that_verifies_and_one_that_is_away_holds_nobody_up(
    tmp_path: Path, upstream: Upstream
) -> None:
    with Collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector.url}/v1/logs",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        flags = ["--audit-copy", "otlp"]
        with RunningGateway(
            tmp_path, policy(upstream.url), flags, environment=environment
        ) as gateway:
            assert [ask(gateway).status for _ in range(3)] == [200] * 3
            wait_for("a copy", lambda: metrics(gateway)["portcullis_audit_copied_total"] == 8)
            collector.status = 400
            assert ask(gateway).status == 200
            wait_for("the trouble", lambda: metrics(gateway)["portcullis_audit_copy_healthy"] == 0)
            assert ask(gateway).status == 200
            assert metrics(gateway)["portcullis_audit_healthy"] == 1
            assert "audit copy: the OTLP collector did not take the lines" in gateway.log
            collector.status = 200
            wait_for("the rest", lambda: metrics(gateway)["portcullis_audit_copied_total"] == 12)
        lines = [path.read_text() for path in sorted(gateway.audit.glob("*.jsonl"))]
        assert "".join(f"{body}\n" for body in bodies(collector)) == "".join(lines)
        assert gateway.verify().returncode == 0
        copy = tmp_path / "copy"
        copy.write_text("".join(f"{body}\n" for body in bodies(collector)))
        assert verify(gateway, copy)[0] == 0


def test_a_collector_alone_is_enough_and_calls_wait_for_it_where_the_policy_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    with Collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector.url}/v1/logs",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        file = policy(upstream.url, audit={"durability": "sync"})
        with RunningGateway(
            tmp_path, file, ["--audit", "otlp:"], environment=environment
        ) as gateway:
            assert ask(gateway).status == 200
            assert sum('"closed"' in body for body in bodies(collector)) == 1
            collector.status = 400
            assert ask(gateway).status == 503
            collector.status = 200
            wait_for("calls", lambda: ask(gateway).status == 200)
        copy = tmp_path / "copy"
        copy.write_text("".join(f"{body}\n" for body in bodies(collector)))
        code, told = verify(gateway, copy)
        assert code == 0, told
        told = gateway.command("audit", "verify", "--audit", "otlp:").stderr
        assert "name a FILE" in told
