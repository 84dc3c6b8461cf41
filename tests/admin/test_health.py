"""Probes: alive, ready, measured, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.admin.health import METRICS_TYPE, Probes
from gateway.admin.listener import Ask, Told
from tests.admin.fakes import FakeSupervisor


async def asked(supervisor: FakeSupervisor, path: str, method: str = "GET") -> Told:
    async def exposition() -> str:
        return "# HELP x\n"

    return await Probes(supervisor, exposition).answer(Ask(method, path, {}))


async def readiness(**state: Any) -> tuple[int, str, str]:
    told = await asked(FakeSupervisor(**state), "/readyz")
    assert isinstance(told.body, dict)
    return told.status, told.body["status"], told.body["audit"]


async def test_it_is_ready_while_every_worker_answers() -> None:
    assert await readiness() == (200, "ready", "ok")


WELL: dict[str, Any] = {"running": 0, "audit": True, "store": "ok"}


@pytest.mark.parametrize(
    "state",
    [
        {"answers": {}},
        {"wanted": 2},
        {"draining": True},
        {"draining": True, "problems": ["policy.yaml:1: no"]},
    ],
)
async def test_it_is_not_ready_while_a_worker_is_missing_or_it_drains(
    state: dict[str, Any],
) -> None:
    status, word, _ = await readiness(**state)
    assert (status, word) == (503, "not ready")


async def test_a_policy_that_cannot_be_loaded_shows_and_the_old_one_serves() -> None:
    problems = ["policy.yaml:3: unknown key"]
    assert await readiness(problems=problems) == (200, "ready, with the policy from before", "ok")
    told = await asked(FakeSupervisor(problems=problems), "/readyz")
    assert isinstance(told.body, dict)
    assert told.body["policy_problems"] == problems


async def test_one_worker_whose_audit_fails_shows() -> None:
    answers = {0: WELL, 1: {**WELL, "audit": False}}
    assert await readiness(wanted=2, answers=answers) == (200, "ready", "failing")


async def test_it_is_alive_while_it_answers_whatever_the_workers_do() -> None:
    told = await asked(FakeSupervisor(answers={}, draining=True), "/healthz")
    assert (told.status, told.body) == (200, {"status": "ok"})


async def test_metrics_are_text_of_the_format_that_prometheus_reads() -> None:
    told = await asked(FakeSupervisor(), "/metrics")
    assert (told.status, told.body, told.content_type) == (200, "# HELP x\n", METRICS_TYPE)


@pytest.mark.parametrize("path", ["/", "/metrics/", "/admin/v1/status", "/v1/models", "/READYZ"])
async def test_nothing_else_is_there(path: str) -> None:
    assert (await asked(FakeSupervisor(), path)).status == 404


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_probes_are_read_only(path: str) -> None:
    told = await asked(FakeSupervisor(), path, "POST")
    assert (told.status, told.headers["allow"]) == (405, "GET, HEAD")
    assert (await asked(FakeSupervisor(), path, "HEAD")).status == 200


async def test_a_store_that_is_away_shows_and_is_no_reason_not_to_be_ready() -> None:
    away = {**WELL, "store": "away since 2026-11-21T10:00:02Z"}
    longer = {**WELL, "store": "away since 2026-11-21T10:00:01Z"}
    supervisor = FakeSupervisor(wanted=3, answers={0: away, 1: WELL, 2: longer})
    told = await asked(supervisor, "/readyz")
    assert isinstance(told.body, dict)
    assert (told.status, told.body["status"]) == (200, "ready")
    assert told.body["store"] == "away since 2026-11-21T10:00:01Z (2 of 3 workers)"
    supervisor.answers = {0: WELL, 1: WELL, 2: WELL}
    told = await asked(supervisor, "/readyz")
    assert isinstance(told.body, dict)
    assert told.body["store"] == "ok"
