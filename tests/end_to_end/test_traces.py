"""An agent's trace, from the agent through the gateway to its provider and its tools, as a real
OTLP collector receives it: two workers, real sockets, real protobuf."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.proxy.wire import Message, call
from tests.running import CHAT, JSON, chat, metrics, wait_for
from tests.telemetry.collector import CLIENT, SERVER, Collector, Got

CONTENT = "the-word-that-no-trace-may-hold"
KEY = "AKIA" + "IOSFODNN7EXAMPLE"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


def serve(seen: Seen) -> Say | Raw:
    """A provider that calls a tool, an MCP server, and an HTTP tool."""
    if seen.path == "/mcp":
        result = {"content": [{"type": "text", "text": CONTENT}]}
        told = {"jsonrpc": "2.0", "id": seen.json["id"], "result": result}
        return Raw(pieces=(json.dumps(told).encode(),))
    if seen.path.startswith("/weather"):
        return Raw(pieces=(json.dumps({"forecast": CONTENT}).encode(),))
    if seen.json["messages"][-1]["role"] == "tool":
        return Say(pieces=[CONTENT, " it", " is."])
    return Say(pieces=(), tools=[Tool("search", json.dumps({"query": CONTENT}), "call_1")])


def policy(url: str) -> dict[str, Any]:
    weather = {"name": "get_weather", "method": "GET", "path": "/weather/{city}"}
    return {
        "version": 1,
        "upstreams": {
            "openai": {"provider": "openai", "url": url, "default": True},
            "silent": {"provider": "openai", "url": url, "trace_context": "drop"},
            "search": {"provider": "mcp", "url": f"{url}/mcp"},
            "quiet": {"provider": "mcp", "url": f"{url}/mcp", "trace_context": "drop"},
            "weather": {"provider": "http", "url": url, "tools": [weather]},
        },
        "tenants": {"local": {"policies": ["base"]}},
        "default_tenant": "local",
        "policies": {
            "base": {
                "rules": [
                    {"kind": "secrets", "action": "block"},
                    {"kind": "patterns", "deny": ["the-word"], "mode": "shadow"},
                ]
            }
        },
    }


@dataclass
class World:
    gateway: RunningGateway
    provider: FakeProvider
    collector: Collector

    def ask(self, agent: Agent, target: str, body: bytes | None, method: str = "POST") -> Message:
        headers = [JSON, ("Traceparent", agent.header), *agent.more]
        return call(self.gateway.base, target, body, headers, method=method)

    def spans_of(self, reply: Message, agent: Agent, most: int) -> list[Got]:
        """The spans of one exchange, its own first."""
        found = self.collector.trace(agent.trace, most)
        own = next(s for s in found if s.attributes.get("portcullis.id") == id_of(reply))
        return [own, *(s for s in found if s.parent == own.id)]


class Agent:
    """One run of an agent: its trace, and the span that it calls from."""

    def __init__(self, *, sampled: bool = True, more: tuple[tuple[str, str], ...] = ()) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self.header = f"00-{self.trace}-{self.span}-0{int(sampled)}"
        self.more = more


def id_of(reply: Message) -> str:
    return reply.get("x-portcullis-id")


def context(seen: Seen) -> tuple[str, str]:
    """Trace and span under which upstream was called."""
    _, trace, span, _ = seen.headers["traceparent"].split("-")
    return trace, span


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("traces")
    with Collector() as collector, FakeProvider(serve) as provider:
        environment = {
            **SOON,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=agents",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        flags = ["--workers", "2"]
        rules = policy(provider.url)
        with RunningGateway(folder, rules, flags, environment=environment) as gateway:
            yield World(gateway, provider, collector)


def test_an_agents_loop_is_one_trace_with_the_right_parents(world: World) -> None:
    agent = Agent()
    before = len(world.provider.seen)
    asked = {"role": "user", "content": CONTENT}
    tools = [{"type": "function", "function": {"name": "search", "parameters": {}}}]
    body = {"model": "gpt-4o-mini", "stream": True, "tools": tools}
    first = world.ask(agent, CHAT, json.dumps({**body, "messages": [asked]}).encode())
    assert b"call_1" in first.body

    params = {"name": "search", "arguments": {"query": CONTENT}}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    found = world.ask(agent, "/search", json.dumps(message).encode())
    looked = world.ask(agent, "/weather/weather/paris", None, "GET")

    function = {"name": "search", "arguments": json.dumps({"query": CONTENT})}
    called = {"id": "call_1", "type": "function", "function": function}
    history = [
        asked,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": CONTENT},
    ]
    second = world.ask(agent, CHAT, json.dumps({**body, "messages": history}).encode())

    spans = world.collector.trace(agent.trace, 8)
    assert len(spans) == 8
    own = [span for span in spans if span.kind == SERVER]
    assert [(span.name, span.parent) for span in own] == [
        ("chat gpt-4o-mini", agent.span),
        ("tools/call search", agent.span),
        ("execute_tool get_weather", agent.span),
        ("chat gpt-4o-mini", agent.span),
    ]
    replies = [first, found, looked, second]
    assert [span.attributes["portcullis.id"] for span in own] == [id_of(r) for r in replies]
    for span, seen in zip(own, world.provider.seen[before:], strict=True):
        (child,) = [each for each in spans if each.parent == span.id]
        assert child.kind == CLIENT
        assert context(seen) == (agent.trace, child.id)
        assert span.start <= child.start <= child.end <= span.end

    chatted, searched, _, answered = (span.attributes for span in own)
    assert chatted["gen_ai.operation.name"] == "chat"
    assert chatted["gen_ai.request.stream"] is True
    assert chatted["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert chatted["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert chatted["portcullis.tool_calls"] == ["search"]
    assert answered["gen_ai.response.finish_reasons"] == ["stop"]
    assert searched["mcp.method.name"] == "tools/call"
    assert searched["gen_ai.operation.name"] == "execute_tool"
    assert searched["gen_ai.tool.name"] == "search"
    assert chatted["gen_ai.conversation.id"] == answered["gen_ai.conversation.id"]


def test_a_trace_leads_to_the_record_and_back(world: World) -> None:
    agent = Agent()
    reply = world.ask(agent, CHAT, chat("Hello"))
    own, child = world.spans_of(reply, agent, 2)
    record = world.gateway.record(id_of(reply))
    assert record["trace_id"] == agent.trace
    assert own.attributes["gen_ai.conversation.id"] == record["who"]["session"]
    assert own.attributes["portcullis.cost_nanodollars"] == record["cost_nanodollars"]
    assert own.attributes["gen_ai.usage.input_tokens"] == record["usage"]["input"]
    assert not any(name.startswith("gen_ai.usage") for name in child.attributes)
    assert child.attributes["http.response.status_code"] == 200
    assert own.resource["service.name"] == "portcullis"
    assert own.resource["deployment.environment.name"] == "test"
    assert world.collector.paths[0] == "/v1/traces"
    assert world.collector.headers[0]["x-team"] == "agents"


def test_a_block_shows_its_rule_and_no_content_and_upstream_is_not_called(world: World) -> None:
    agent = Agent()
    before = len(world.provider.seen)
    reply = world.ask(agent, CHAT, chat(f"{CONTENT} {KEY}"))
    assert reply.status == 400
    (own,) = world.spans_of(reply, agent, 1)
    assert own.attributes["portcullis.outcome"] == "refused"
    assert own.attributes["error.type"] == "secret_found"
    assert own.attributes["portcullis.rule"] == "base/secrets"
    assert not own.failed  # the gateway did what it is there for
    said = [attributes for name, _, attributes in own.events if name == "portcullis.verdict"]
    assert {each["portcullis.reason"] for each in said} == {"secret_found", "pattern_found"}
    assert any(each.get("portcullis.shadow") for each in said)
    assert len(world.provider.seen) == before
    assert KEY.encode() not in b"".join(world.collector.bodies)


def test_mcps_meta_is_the_parent_before_the_header_and_is_passed_on(world: World) -> None:
    carrier, message = Agent(), Agent(more=())
    meta = {"traceparent": message.header, "tracestate": "a=1", "baggage": "who=me", "x": 1}
    params = {"name": "search", "arguments": {}, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    before = len(world.provider.seen)
    reply = world.ask(carrier, "/search", json.dumps(body).encode())
    own, child = world.spans_of(reply, message, 2)
    assert (own.parent, own.state) == (message.span, "a=1")
    assert own.links == [(carrier.trace, carrier.span)]
    sent = world.provider.seen[before].json["params"]["_meta"]
    written = f"00-{message.trace}-{child.id}-01"
    assert sent == {"traceparent": written, "tracestate": "a=1", "baggage": "who=me", "x": 1}
    assert context(world.provider.seen[before]) == (message.trace, child.id)
    assert world.gateway.record(id_of(reply))["trace_id"] == message.trace


def test_an_upstream_that_is_told_nothing_learns_of_no_trace(world: World) -> None:
    agent = Agent(more=(("tracestate", "a=1"), ("baggage", "user=ann")))
    before = len(world.provider.seen)
    world.ask(agent, f"/silent{CHAT}", chat("Hello"))
    meta = {"traceparent": agent.header, "baggage": "user=ann", "x": 1}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    world.ask(agent, "/quiet", json.dumps(body).encode())
    told, listed = world.provider.seen[before:]
    for seen in (told, listed):
        assert not {"traceparent", "tracestate", "baggage"} & set(seen.headers)
    assert listed.json["params"] == {"_meta": {"x": 1}}
    assert len(world.collector.trace(agent.trace, 4)) == 4


def test_a_caller_whose_trace_is_not_sampled_leaves_no_span_and_is_passed_on(world: World) -> None:
    agent, other = Agent(sampled=False, more=(("tracestate", "b=2"),)), Agent()
    before = len(world.provider.seen)
    reply = world.ask(agent, CHAT, chat("Hello"))
    world.ask(other, CHAT, chat("Hello"))
    world.collector.trace(other.trace, 2)
    seen = world.provider.seen[before]
    assert re.fullmatch(
        f"00-{agent.trace}-(?!{agent.span})[0-9a-f]{{16}}-00", seen.headers["traceparent"]
    )
    assert seen.headers["tracestate"] == "b=2"
    assert world.gateway.record(id_of(reply))["trace_id"] == agent.trace
    assert all(span.trace != agent.trace for span in world.collector.spans())


def test_a_call_without_a_trace_begins_one(world: World) -> None:
    before = len(world.provider.seen)
    reply = call(world.gateway.base, CHAT, chat("Hello"), [JSON])
    trace, _ = context(world.provider.seen[before])
    assert world.gateway.record(id_of(reply))["trace_id"] == trace
    own, _ = world.collector.trace(trace, 2)
    assert own.parent == ""


def test_both_workers_send_and_what_waits_is_sent_before_they_end(
    world: World, tmp_path: Path
) -> None:
    """And in nothing that the collectors of this file got is there any content."""
    agents = [Agent() for _ in range(60)]
    with Collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/elsewhere",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_SERVICE_NAME": "edge",
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
        }
        rules = policy(world.provider.url)
        flags = ["--workers", "2"]
        with RunningGateway(tmp_path, rules, flags, environment=environment) as gateway:
            there = World(gateway, world.provider, collector)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda agent: there.ask(agent, CHAT, chat(CONTENT)), agents))
        spans = collector.spans()
    assert sorted(span.trace for span in spans) == sorted([a.trace for a in agents] * 2)
    assert set(collector.paths) == {"/elsewhere"}
    assert {span.resource["service.name"] for span in spans} == {"edge"}
    instances = {span.resource["service.instance.id"] for span in spans}
    assert len(instances) == 2
    assert CONTENT.encode() not in b"".join([*collector.bodies, *world.collector.bodies])


def test_calls_go_on_while_the_collector_is_away_and_what_is_lost_is_counted(
    world: World, tmp_path: Path
) -> None:
    environment = {
        **SOON,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "4",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2",
    }
    with Collector(hang=60.0) as collector:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        with RunningGateway(
            tmp_path, policy(world.provider.url), environment=environment
        ) as gateway:
            there = World(gateway, world.provider, collector)
            for _ in range(20):
                assert there.ask(Agent(), CHAT, chat("Hello")).status == 200
            name = "portcullis_trace_spans_total"
            lost = wait_for("spans to be lost", lambda: metrics(gateway).get(name, 0.0))
            assert 0 < lost <= 40
            wait_for("the log to say so", lambda: "spans lost" in gateway.log)
            assert gateway.stop() == 0
            assert collector.url not in gateway.log


def test_a_setting_that_cannot_be_followed_stops_the_start_and_says_why(
    world: World, tmp_path: Path
) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": world.collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    gateway = RunningGateway(tmp_path, policy(world.provider.url), environment=environment)
    with pytest.raises(RuntimeError, match="http/protobuf only"):
        gateway.start()
    gateway.stop()
