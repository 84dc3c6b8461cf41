"""Claude Code and Codex with a real MCP server behind the gateway: both of their wires are
guarded, the one to the model and the one to the tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.agents.leash import Leash
from tests.agents.programs import PROGRAMS, Program
from tests.agents.tool_cases import ROWS, RULES, SERVER
from tests.mcp.everything import POISON, EverythingServer
from tests.proxy.local import LocalGateway

SCENE = re.compile(rb"\[scene (\w+)\]")


@dataclass
class Scene:
    gateway: LocalGateway
    provider: FakeProvider
    server: EverythingServer
    leash: Leash
    key: str


def provider_says(seen: Seen) -> Say | Raw:
    if seen.method == "HEAD":
        return Raw(status=404, pieces=(b"",))
    program = next(p for p in PROGRAMS if seen.path.partition("?")[0] == p.path)
    items = seen.json.get("messages") or seen.json["input"]
    if any(word in json.dumps(items) for word in ('"tool_result"', '"function_call_output"')):
        return Say(pieces=("All is ", "done."))
    row = ROWS[SCENE.findall(seen.body)[-1].decode()]
    return Say(pieces=(), tools=(program.remote(SERVER, row.tool, json.dumps(row.arguments)),))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    key = new_key()
    with FakeProvider(provider_says) as provider, EverythingServer() as server, Leash() as leash:
        own = {"url": provider.url, "credential": "sk-own"}
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", **own},
                "anthropic": {"provider": "anthropic", **own},
                SERVER: {"provider": "mcp", "url": f"{server.url}/mcp"},
            },
            "tenants": {
                "acme": {"keys": [{"name": "agent", "hash": hash_of(key)}], "policies": ["all"]}
            },
            "policies": {"all": {"rules": RULES}},
        }
        with LocalGateway(tmp_path_factory.mktemp("tools"), policy) as gateway:
            yield Scene(gateway, provider, server, leash, key)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_call_of_a_servers_tool(
    scene: Scene, program: Program, name: str, tmp_path: Path
) -> None:
    binary = program.binary()
    if binary is None:
        pytest.skip(f"{program.name} is not here: `make test` installs it where npm can get it")
    row, called = ROWS[name], scene.server.everything.called
    called.clear()
    before = len(scene.provider.seen)
    base = scene.gateway.base
    ran = program.run(
        binary,
        tmp_path,
        base,
        scene.key,
        f"Do it. [scene {name}]",
        environment=scene.leash.environment,
        more=program.server(SERVER, f"{base}/{SERVER}", scene.key),
    )

    assert ran.code == 0, ran.shown
    assert called == ([(row.tool, row.arguments)] if row.called else [])
    turns = [seen for seen in scene.provider.seen[before:] if seen.method == "POST"]
    declared = json.dumps(turns[0].json["tools"])
    assert "delete_everything" not in declared
    assert POISON not in declared
    if row.told:
        assert row.told in json.dumps(turns[1].json)
        assert POISON not in json.dumps(turns[1].json)
        assert "All is done." in ran.shown
    assert scene.leash.asked == []
