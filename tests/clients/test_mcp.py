"""The official MCP clients, Python and TypeScript, against a real MCP server through the gateway:
what is allowed passes, what is not is told so that a model can read it, in every transport."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.gateway import RunningGateway
from tests.clients.mcp_python import KEY, WORD, heard
from tests.mcp.everything import MAIL, POISON, EverythingServer

NODE = Path(__file__).parent / "node"
PYTHON_WAYS = ("modern", "legacy", "sse")
NODE_WAYS = ("legacy", "sse")
RULES: list[dict[str, Any]] = [
    {"kind": "tools", "deny": ["delete_*"]},
    {"kind": "secrets", "action": "block"},
    {"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "redact"},
    {"kind": "injection", "surfaces": ["tool_result"], "action": "replace"},
    {"kind": "patterns", "deny": [WORD], "surfaces": ["tool_result"], "action": "block"},
    {
        "kind": "injection",
        "id": "definitions",
        "surfaces": ["tool_definition"],
        "action": "block",
    },
]

every_way = pytest.mark.parametrize(
    ("side", "way"),
    [*(("python", way) for way in PYTHON_WAYS), *(("node", way) for way in NODE_WAYS)],
)


class Place:
    """A gateway of two workers before a server, and what each client saw."""

    def __init__(self, server: EverythingServer, gateway: RunningGateway) -> None:
        self.server = server
        self.gateway = gateway
        self._heard: dict[tuple[str, str], dict[str, Any]] = {}

    def heard(self, side: str, way: str) -> dict[str, Any]:
        known = self._heard.get((side, way))
        if known is None:
            if side == "python":
                known = asyncio.run(heard(self.gateway.base, way))
            else:
                self._heard |= {("node", each): told for each, told in self._node().items()}
                known = self._heard[side, way]
            self._heard[side, way] = known
        return known

    def _node(self) -> dict[str, Any]:
        node = shutil.which("node")
        if node is None or not (NODE / "node_modules" / "@modelcontextprotocol").exists():
            pytest.skip("node or its packages are not here: `make test` installs them")
        done = subprocess.run(
            [node, "mcp.mjs"],
            cwd=NODE,
            input=json.dumps({"base": self.gateway.base, "ways": NODE_WAYS}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with EverythingServer() as server:
        policy = {
            "version": 1,
            "upstreams": {
                "everything": {"provider": "mcp", "url": f"{server.url}/mcp"},
                "older": {"provider": "mcp", "url": f"{server.url}/sse"},
            },
            "tenants": {"local": {"policies": ["p"]}},
            "default_tenant": "local",
            "policies": {"p": {"rules": RULES}},
        }
        folder = tmp_path_factory.mktemp("mcp")
        with RunningGateway(folder, policy, ["--workers", "2"]) as gateway:
            yield Place(server, gateway)


@every_way
def test_the_list_lacks_what_the_agent_must_not_see(place: Place, side: str, way: str) -> None:
    tools = place.heard(side, way)["tools"]
    assert {"echo", "contact", "fetch_page"} <= set(tools)
    assert "delete_everything" not in tools  # by its name
    assert "helper" not in tools  # for what its description says


@every_way
def test_an_allowed_call_passes(place: Place, side: str, way: str) -> None:
    told = place.heard(side, way)["allowed"]
    assert told == {"text": "You said: hello", "error": False, "structured": None}


@every_way
@pytest.mark.parametrize(
    ("call", "reason"), [("denied", "tool_denied"), ("secret", "secret_found")]
)
def test_a_stopped_call_is_a_result_that_the_model_reads(
    place: Place, side: str, way: str, call: str, reason: str
) -> None:
    told = place.heard(side, way)[call]
    assert told["error"]
    assert told["text"].startswith("Portcullis ")
    assert "Nothing was sent to the tool." in told["text"]
    assert "ptx_" in told["text"]
    if way == "sse":  # the answer comes on another stream, and in fewer words
        assert f"({reason})" in told["text"]
    else:
        assert "rule p/" in told["text"]
    assert KEY not in told["text"]


def test_the_server_never_saw_what_was_stopped(place: Place) -> None:
    for way in PYTHON_WAYS:
        place.heard("python", way)
    called = place.server.everything.called
    assert "echo" in {name for name, _ in called}
    assert "delete_everything" not in {name for name, _ in called}
    assert KEY not in json.dumps(called)


@every_way
def test_a_poisoned_result_is_replaced(place: Place, side: str, way: str) -> None:
    told = place.heard(side, way)["poisoned"]
    assert not told["error"]
    assert "Opening hours: 9 to 5." in told["text"]
    assert "[removed by Portcullis: injection_found]" in told["text"]
    assert POISON not in told["text"]


@every_way
def test_text_and_structured_content_stay_the_same(place: Place, side: str, way: str) -> None:
    told = place.heard(side, way)["contact"]
    assert MAIL not in json.dumps(told)
    assert told["structured"] == {"name": "Ann", "mail": "<EMAIL_ADDRESS>"}
    assert json.loads(told["text"]) == told["structured"]


@every_way
def test_arguments_are_rewritten_wherever_they_stand(place: Place, side: str, way: str) -> None:
    """A server of 2026-07-28 refuses a call whose headers say something else than its body."""
    told = place.heard(side, way)["found"]
    assert told == {"text": "Found <EMAIL_ADDRESS>.", "error": False, "structured": None}


@every_way
def test_progress_comes_in_order(place: Place, side: str, way: str) -> None:
    told = place.heard(side, way)["progress"]
    assert told["seen"] == [0, 50, 100]
    assert told["text"] == "Progressed."


@every_way
def test_resources_and_prompts_are_read_by_rules(place: Place, side: str, way: str) -> None:
    told = place.heard(side, way)
    assert told["resource"] == "Ann Lee, <EMAIL_ADDRESS>"
    assert told["prompt"] == "This is a simple prompt for testing."


def test_a_client_listens_without_a_session(place: Place) -> None:
    assert place.heard("python", "modern")["listened"] == "ToolsListChanged"


@pytest.mark.parametrize(
    ("side", "way"), [("python", "legacy"), ("python", "sse"), ("node", "legacy"), ("node", "sse")]
)
def test_a_server_asks_the_clients_model_and_is_told_where_it_may_not(
    place: Place, side: str, way: str
) -> None:
    """A request of the server that a rule stops is answered with an error: it does not wait."""
    told = place.heard(side, way)
    assert told["sampling"] == {
        "text": "LLM response: fine",
        "error": False,
        "structured": None,
        "seen": 1,
    }
    stopped = told["sampling_stopped"]
    assert (stopped["error"], stopped["seen"]) == (True, 1)
    assert WORD not in stopped["text"]
