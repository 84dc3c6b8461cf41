"""pydantic-ai and openai-agents with a real MCP server behind the gateway, as their docs have it:
both of their wires are guarded, the one to the model and the one to the tools."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import openai
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
from agents.mcp import MCPServerStreamableHttp
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say, Tool
from gateway.testing.provider import FakeProvider, Seen
from tests.agents.tool_cases import ROWS, RULES, SERVER
from tests.clients.frameworks import MODEL
from tests.mcp.everything import POISON, EverythingServer
from tests.proxy.local import LocalGateway

SCENE = re.compile(rb"\[scene (\w+)\]")
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def pydantic_ai(base: str, key: str, question: str) -> str:
    provider = OpenAIProvider(base_url=f"{base}/v1", api_key=key)
    toolset = MCPToolset(f"{base}/{SERVER}", headers={"Authorization": f"Bearer {key}"})
    agent = PydanticAgent(OpenAIChatModel(MODEL, provider=provider), toolsets=[toolset])
    async with agent:
        return (await agent.run(question)).output


async def openai_agents(base: str, key: str, question: str) -> str:
    where = {"url": f"{base}/{SERVER}", "headers": {"Authorization": f"Bearer {key}"}}
    async with (
        MCPServerStreamableHttp(params=where) as server,
        openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key) as client,
    ):
        model = OpenAIResponsesModel(MODEL, client)
        agent = Agent(name="clerk", model=model, mcp_servers=[server])
        run = await Runner.run(agent, question, run_config=RunConfig(tracing_disabled=True))
        return str(run.final_output)


FRAMEWORKS: dict[str, Callable[[str, str, str], Awaitable[str]]] = {
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
}


@dataclass
class Scene:
    gateway: LocalGateway
    provider: FakeProvider
    server: EverythingServer
    key: str


def provider_says(seen: Seen) -> Say:
    last = (seen.json.get("messages") or seen.json["input"])[-1]
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return Say(pieces=("All is ", "done."))
    row = ROWS[SCENE.findall(seen.body)[-1].decode()]
    return Say(pieces=(), tools=(Tool(row.tool, json.dumps(row.arguments)),))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    key = new_key()
    with FakeProvider(provider_says) as provider, EverythingServer() as server:
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", "url": provider.url, "credential": "sk-own"},
                SERVER: {"provider": "mcp", "url": f"{server.url}/mcp"},
            },
            "tenants": {
                "acme": {"keys": [{"name": "agent", "hash": hash_of(key)}], "policies": ["all"]}
            },
            "policies": {"all": {"rules": RULES}},
        }
        with LocalGateway(tmp_path_factory.mktemp("tools"), policy) as gateway:
            yield Scene(gateway, provider, server, key)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_call_of_a_servers_tool(scene: Scene, framework: str, name: str) -> None:
    row, called = ROWS[name], scene.server.everything.called
    called.clear()
    before = len(scene.provider.seen)
    said = await FRAMEWORKS[framework](scene.gateway.base, scene.key, f"Do it. [scene {name}]")

    assert called == ([(row.tool, row.arguments)] if row.called else [])
    turns = scene.provider.seen[before:]
    declared = json.dumps(turns[0].json["tools"])
    assert "delete_everything" not in declared
    assert POISON not in declared
    if row.told:
        assert said == "All is done."
        assert row.told in json.dumps(turns[1].json)
        assert POISON not in json.dumps(turns[1].json)
    else:
        assert "Portcullis took out a call of the tool 'delete_everything'" in said
