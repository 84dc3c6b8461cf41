"""Real clients over the gateway's duplex paths: Responses over WebSocket, and HTTPS_PROXY."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from agents import Agent, RunConfig, Runner, function_tool, set_tracing_disabled
from agents.models.openai_provider import OpenAIProvider
from agents.models.openai_responses import ResponsesWebSocketError
from openai import OpenAI

from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from tests.proxy.far import Far, https, make_certificate
from tests.proxy.local import policy
from tests.proxy.socket_provider import SocketProvider, Step, events
from tests.proxy.wire import Connection

CALL = Say((), tools=[Tool("get_weather", '{"city":"Oslo"}')])


def script(got: dict[str, Any], number: int) -> list[Step]:
    """Call the tool, then tell what it said."""
    items = got["input"] if isinstance(got["input"], list) else []
    results = [item for item in items if item.get("type") == "function_call_output"]
    return events(Say((f"It says: {results[-1]['output']}",)) if results else CALL)


@pytest.fixture(scope="module")
def provider() -> Iterator[SocketProvider]:
    with SocketProvider(script) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, provider: SocketProvider
) -> Iterator[RunningGateway]:
    file = policy(
        provider.url,
        {"kind": "secrets", "action": "block"},
        {"kind": "patterns", "deny": ["forbidden city"], "surfaces": ["tool_result", "user"]},
        {"kind": "budget", "per": "tenant", "limit": "$50"},
        {"kind": "egress", "allow": ["127.0.0.1:*", "localhost:*"]},
        forward_proxy={"allow_addresses": ["127.0.0.0/8", "::1"]},
    )
    file["policies"]["p"]["rules"][1]["action"] = "block"
    with RunningGateway(tmp_path_factory.mktemp("sockets"), file) as made:
        yield made


def run_agent(gateway: RunningGateway, question: str, weather: str = "rain") -> str:
    """One run of an agent of openai-agents on its WebSocket transport."""
    ran: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        ran.append(city)
        return weather

    async def run() -> str:
        base = gateway.base + "/v1"
        made = OpenAIProvider(
            api_key="sk-x",
            base_url=base,
            websocket_base_url=base.replace("http", "ws", 1),
            use_responses=True,
            use_responses_websocket=True,
        )
        agent = Agent(name="weather", model="gpt-4o-mini", tools=[get_weather])
        try:
            result = await Runner.run(agent, question, run_config=RunConfig(model_provider=made))
        finally:
            await made.aclose()
        assert ran
        return str(result.final_output)

    set_tracing_disabled(True)
    return asyncio.run(run())


def test_openai_agents_runs_a_tool_over_a_websocket(
    gateway: RunningGateway, provider: SocketProvider
) -> None:
    before = len(provider.got)
    assert run_agent(gateway, "How is the weather?") == "It says: rain"
    assert len(provider.got) == before + 2


def test_openai_agents_is_stopped_by_what_a_tool_says(
    gateway: RunningGateway, provider: SocketProvider
) -> None:
    before = len(provider.got)
    with pytest.raises(ResponsesWebSocketError) as caught:
        run_agent(gateway, "How is the weather?", weather="sun over the forbidden city")
    assert caught.value.code == "pattern_found"
    assert "Portcullis" in str(caught.value.error_message)
    assert len(provider.got) == before + 1  # asked once, stopped once, not tried again


def test_the_openai_sdk_goes_on_after_a_block(gateway: RunningGateway) -> None:
    client = OpenAI(base_url=gateway.base + "/v1", api_key="sk-x")
    with client.responses.connect() as connection:
        codes = []
        for text in ("my key is AKIAQWERTYUIOPASDFGH", "hello"):
            connection.response.create(model="gpt-4o-mini", input=text)
            for event in connection:
                if event.type == "error":
                    codes.append(event.error.code)
                if event.type in ("error", "response.completed"):
                    break
        assert codes == ["secret_found"]


# --- the forward proxy ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), ["localhost"])


def environment(gateway: RunningGateway, certificate: Path) -> dict[str, str]:
    """An agent's environment: all that changes is the proxy."""
    return {
        "PATH": os.environ["PATH"],
        "HTTPS_PROXY": gateway.base,
        "https_proxy": gateway.base,
        "SSL_CERT_FILE": str(certificate),
        "CURL_CA_BUNDLE": str(certificate),
        "NO_PROXY": "",
    }


SDK = """
import sys
from openai import OpenAI, APIConnectionError
client = OpenAI(base_url=sys.argv[1], api_key="x", max_retries=0)
try:
    print(client.get("/models", cast_to=object))
except APIConnectionError as error:
    print(repr(error.__cause__))
"""


def ask_sdk(url: str, env: dict[str, str]) -> str:
    words = [sys.executable, "-c", SDK, url]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_the_openai_sdk_goes_through_the_proxy_or_shows_why_not(
    gateway: RunningGateway, certificate: Path
) -> None:
    env = environment(gateway, certificate)
    with Far(https, certificate) as far:
        assert "hello" in ask_sdk(f"https://localhost:{far.port}/v1", env)
    assert "egress_denied" in ask_sdk("https://api.example/v1", env)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_goes_through_the_proxy_or_shows_why_not(
    gateway: RunningGateway, certificate: Path
) -> None:
    def curl(url: str) -> subprocess.CompletedProcess[str]:
        words = ["curl", "--silent", "--show-error", "--verbose", "--max-time", "20", url]
        env = environment(gateway, certificate)
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False)

    with Far(https, certificate) as far:
        assert orjson.loads(curl(f"https://localhost:{far.port}/").stdout) == {"hello": "there"}
    refused = curl("https://evil.example/")
    assert refused.returncode == 56
    assert "egress_denied" in refused.stderr


def test_no_listener_of_the_gateway_is_reached_through_its_proxy(gateway: RunningGateway) -> None:
    for base in (gateway.base, gateway.probes):
        with Connection(gateway.base) as connection:
            target = base.removeprefix("http://")
            connection.send("CONNECT", target)
            reply = connection.reply()
            assert orjson.loads(reply.body)["error"]["code"] == "address_denied"
