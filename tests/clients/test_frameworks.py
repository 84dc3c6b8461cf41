"""openai-agents, pydantic-ai and LangChain as they come, each doing a tool round trip through a
running gateway: allowed, with a call taken out, refused, cut and put off."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say, Tool
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Seen
from tests.clients.cases import KEY
from tests.clients.frameworks import FRAMEWORKS, RAISED, RAISED_IN_STREAM, Desk

SCENE = re.compile(rb"\[scene (\w+)\]")
ARGUMENTS = '{"number": 17}'
GET, DELETE = Tool("get_order", ARGUMENTS, "call_a"), Tool("delete_order", ARGUMENTS, "call_b")
RESULT = "between two warehouses"
LAST = "Order 17 is on its way."
FOUND = [("get_order", 17)]
SCENES = {
    "allowed": Say(pieces=("Look", "ing."), tools=(GET,)),
    "forbidden": Say(pieces=(), tools=(DELETE,)),
    "both": Say(pieces=("Look", "ing."), tools=(GET, DELETE)),
    "late": Say(pieces=("All is well. ", "The word is ", "swor", "dfish, so. ", "Bye.")),
}


@dataclass(frozen=True)
class Row:
    """A question under some rules. `says` is the agent's last word, or in the exception that
    stopped it (`error`: which of the framework's two, 400 or 429). `calls` reached the gateway,
    `sent` of them the provider; `done` is what the tools really did."""

    name: str
    rules: tuple[dict[str, Any], ...]
    says: str
    calls: int
    sent: int
    done: tuple[tuple[str, int], ...] = ()
    error: int = 0
    question: str = "Where is order 17?"
    scene: str = "allowed"


TOOLS = {"kind": "tools", "deny": ["delete_*"]}
ROWS = (
    Row("allowed", ({"kind": "secrets", "action": "block"}, TOOLS), LAST, 2, 2, tuple(FOUND)),
    Row(
        "forbidden",
        (TOOLS,),
        "Portcullis took out a call of the tool 'delete_order': rule forbidden/tools forbids",
        1,
        1,
        scene="forbidden",
    ),
    Row("both", (TOOLS,), LAST, 2, 2, tuple(FOUND), scene="both"),
    Row(
        "secret",
        ({"kind": "secrets", "action": "block"},),
        "Portcullis blocked this request: rule secret/secrets found an AWS access key",
        1,
        0,
        error=400,
        question=f"Why does {KEY} not work?",
    ),
    Row(
        "wait",
        ({"kind": "rate_limit", "per": "tenant", "requests": "1/s"},),
        LAST,
        3,
        2,
        tuple(FOUND),
    ),
    Row(
        "long-wait",
        ({"kind": "rate_limit", "per": "tenant", "requests": "1/hour"},),
        "Portcullis is holding back this request: rule long-wait/rate_limit-tenant allows",
        2,
        1,
        tuple(FOUND),
        error=429,
    ),
    Row(
        "budget",
        ({"kind": "budget", "per": "tenant", "limit": "100 tokens", "window": "total"},),
        "Portcullis blocked this request: rule budget/budget-tenant-total has 100 tokens left",
        1,
        0,
        error=400,
    ),
)
CUT = ({"kind": "patterns", "deny": ["swordfish"], "surfaces": ["output"], "action": "block"},)

PLAYS = [
    pytest.param(row, stream, id=f"{row.name}-{'stream' if stream else 'whole'}")
    for row in ROWS
    for stream in (False, True)
    if not (row.name == "wait" and stream)  # a second each, before there is a stream
]
every_play = pytest.mark.parametrize(("row", "stream"), PLAYS)
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # LangChain keeps its connections


def provider_says(seen: Seen) -> Say:
    """The scene that the question names; once a tool has answered, the last word."""
    items = seen.json.get("messages") or seen.json["input"]
    last = items[-1] if isinstance(items, list) else {}
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return Say(pieces=("Order 17 is ", "on its way."))
    return SCENES[SCENE.findall(seen.body)[-1].decode()]


@dataclass
class Counter:
    """A running gateway with a tenant for each row, framework and way to call."""

    gateway: RunningGateway
    provider: FakeProvider
    keys: dict[str, str]

    def calls(self, tenant: str) -> list[dict[str, Any]]:
        closed = [record for record in self.gateway.records() if record["type"] == "closed"]
        return [record for record in closed if record["who"]["tenant"] == tenant]


def tenant_of(row: str, framework: str, stream: bool) -> str:
    return f"{row}.{framework}.{'stream' if stream else 'whole'}"


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    policies = {row.name: list(row.rules) for row in ROWS} | {"cut": list(CUT)}
    keys = {
        tenant_of(policy, framework, stream): new_key()
        for policy in policies
        for framework in FRAMEWORKS
        for stream in (False, True)
    }
    with FakeProvider(provider_says) as provider:
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", "url": provider.url, "credential": "sk-own"}
            },
            "tenants": {
                name: {
                    "keys": [{"name": "agent", "hash": hash_of(key)}],
                    "policies": [name.partition(".")[0]],
                }
                for name, key in keys.items()
            },
            "policies": {name: {"rules": rules} for name, rules in policies.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("frameworks"), policy) as gateway:
            yield Counter(gateway, provider, keys)


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hosts that were looked up, loopback aside: traces, telemetry, word lists. There are none."""
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def guarded(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name not in ("127.0.0.1", "localhost"):
            asked.append(name)
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not on this machine")
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)
    yield asked
    assert asked == []


async def ask(
    counter: Counter, framework: str, tenant: str, question: str, stream: bool, desk: Desk
) -> str | Exception:
    """The agent's last word, or what it was stopped by."""
    play = FRAMEWORKS[framework]
    try:
        return await play(counter.gateway.base, counter.keys[tenant], question, stream, desk)
    except Exception as error:  # noqa: BLE001  which one it is, is what the tests look at
        return error


@every_play
@every_framework
async def test_a_tool_round_trip(counter: Counter, row: Row, framework: str, stream: bool) -> None:
    tenant, desk = tenant_of(row.name, framework, stream), Desk()
    before = len(counter.provider.seen)
    said = await ask(
        counter, framework, tenant, f"{row.question} [scene {row.scene}]", stream, desk
    )

    if row.error:
        assert type(said).__name__ == RAISED[framework.rpartition("-")[0]][row.error], said
        assert said.status_code == row.error
    assert row.says in str(said)
    assert tuple(desk.done) == row.done
    calls, seen = counter.calls(tenant), counter.provider.seen[before:]
    statuses = [call["status"] for call in calls]
    if row.name == "wait":  # on a machine so slow that the next call is late, nobody waits
        assert statuses in ([200, 429, 200], [200, 200])
    else:
        assert len(calls) == row.calls, statuses
    assert len(seen) == row.sent
    if row.done and row.sent == 2:
        assert RESULT in json.dumps(seen[1].json)
    if said != LAST:
        assert calls[-1]["id"] in str(said)


@every_framework
async def test_a_stream_that_is_cut_is_an_error_that_says_why(
    counter: Counter, framework: str
) -> None:
    tenant = tenant_of("cut", framework, True)
    said = await ask(counter, framework, tenant, "And? [scene late]", True, Desk())
    assert type(said).__name__ == RAISED_IN_STREAM[framework], said
    assert "Portcullis blocked this answer: rule cut/patterns" in str(said)
    assert len(counter.calls(tenant)) == 1
