"""A disk that is full: what `audit.on_error` says is what happens, it shows, and it passes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway, children
from tests.proxy.local import policy
from tests.proxy.wire import Upstream
from tests.running import ask, lines, metrics, ready, says


@contextmanager
def full_disk(gateway: RunningGateway) -> Iterator[None]:
    """No file of the worker can grow beyond the audit log's present size (EFBIG; Linux)."""
    (worker,) = children(gateway.pid)
    (log,) = gateway.audit.glob("*.jsonl")
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    assert (gateway.folder / "gateway.log").stat().st_size < log.stat().st_size
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (log.stat().st_size + 10, before[1]))
    yield
    resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


@contextmanager
def running(folder: Path, on_error: str) -> Iterator[tuple[RunningGateway, Upstream]]:
    with Upstream(lambda got: says()) as upstream:
        file = policy(upstream.url, audit={"on_error": on_error})
        with RunningGateway(folder, file, state="memory://") as gateway:
            for _ in range(8):
                assert ask(gateway).status == 200
            yield gateway, upstream


def test_block_refuses_calls_that_cannot_be_recorded(tmp_path: Path) -> None:
    with running(tmp_path, "block") as (gateway, upstream):
        sent = len(upstream.got)
        with full_disk(gateway):
            for _ in range(3):
                refused = ask(gateway)
                assert refused.status == 503
                assert refused.get("x-portcullis-reason") == "audit_unavailable"
                assert refused.get("x-should-retry") == "false"
                assert b"Nothing was sent" in refused.body
            _shows(gateway)
        assert len(upstream.got) == sent
        _passes(gateway)


def test_allow_lets_calls_go_on_without_a_record(tmp_path: Path) -> None:
    with running(tmp_path, "allow") as (gateway, upstream):
        sent = len(upstream.got)
        with full_disk(gateway):
            for _ in range(3):
                assert ask(gateway).status == 200
            _shows(gateway)
        assert len(upstream.got) == sent + 3
        _passes(gateway)


def _shows(gateway: RunningGateway) -> None:
    """It is counted and said, and the gateway stays in service."""
    counts = metrics(gateway)
    assert counts["portcullis_audit_lost_total"] >= 3
    assert counts["portcullis_audit_healthy"] == 0
    state = ready(gateway)
    assert (state["http"], state["audit"]) == (200, "failing")
    assert "The audit log cannot be written: File too large" in gateway.log


def _passes(gateway: RunningGateway) -> None:
    """With room again, the log says what it lacks, and is whole otherwise."""
    lost = metrics(gateway)["portcullis_audit_lost_total"]
    assert ask(gateway).status == 200
    assert metrics(gateway)["portcullis_audit_healthy"] == 1
    assert ready(gateway)["audit"] == "ok"
    (gap,) = lines(gateway, "gap")
    assert (gap["lines"], gap["why"]) == (lost, "File too large")
    gateway.stop()
    verified = gateway.verify()
    assert verified.returncode == 0, verified.stdout
    assert f"{lost:g} lines could not be written: File too large" in verified.stdout


@pytest.mark.parametrize("on_error", ["block", "allow"])
def test_a_gateway_starts_on_a_full_disk(tmp_path: Path, on_error: str) -> None:
    """Its first record is written as soon as there is room."""
    with running(tmp_path, on_error) as (gateway, _):
        gateway.stop()
        (log,) = gateway.audit.glob("*.jsonl")
        size = log.stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        try:
            gateway.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert ask(gateway).status == (503 if on_error == "block" else 200)
        (worker,) = children(gateway.pid)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
        assert ask(gateway).status == 200
        assert len(lines(gateway, "started")) == 2
