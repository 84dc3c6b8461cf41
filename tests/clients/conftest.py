"""One gateway and one fake provider for all tests of the SDKs; a tenant for each way to call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.clients.cases import CASES, SAYS, WAIT_RULE

FLAVOURS = ("openai_chat", "openai_responses", "anthropic_messages")
SIDES = ("python", "node", "ai")
POLICIES: dict[str, list[dict[str, Any]]] = {
    **{case.name: list(case.rules) for case in CASES},
    "wait": [WAIT_RULE],
    "none": [],
}

Way = tuple[str, str, str, bool]
"""(policy, side, flavour, streamed)"""


def answer(seen: Seen) -> Say | Raw:
    """What the provider says: the `x-say` header names it; `status-N` is an error of its own."""
    say = seen.headers.get("x-say", "plain")
    if say.startswith("status-"):
        status = int(say.removeprefix("status-"))
        body = b'{"error":{"message":"the provider is unhappy","type":"server_error","code":"x"}}'
        return Raw(status=status, pieces=(body,), headers={"retry-after-ms": "10"})
    return SAYS[say]


@dataclass
class Gate:
    """A running gateway, its provider, and the keys of its tenants."""

    gateway: RunningGateway
    provider: FakeProvider
    keys: dict[Way, str]

    @property
    def base(self) -> str:
        return self.gateway.base

    def received(self, since: int) -> str:
        """The bodies that the provider was sent after its first `since` requests."""
        return b"\n".join(seen.body for seen in self.provider.seen[since:]).decode()


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys: dict[Way, str] = {
        (policy, side, flavour, stream): new_key()
        for policy in POLICIES
        for side in SIDES
        for flavour in FLAVOURS
        for stream in (False, True)
    }
    tenants = {
        f"{policy}.{side}.{flavour}.{'stream' if stream else 'whole'}": {
            "keys": [{"name": "agent", "hash": hash_of(key)}],
            "policies": [policy],
        }
        for (policy, side, flavour, stream), key in keys.items()
    }
    tenants["anonymous"] = {"policies": ["none"]}
    with FakeProvider(answer) as provider:
        own = {"url": provider.url, "credential": "sk-own"}
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", **own},
                "anthropic": {"provider": "anthropic", **own},
            },
            "tenants": tenants,
            "default_tenant": "anonymous",
            "policies": {name: {"rules": rules} for name, rules in POLICIES.items()},
        }
        with RunningGateway(tmp_path_factory.mktemp("gate"), policy) as gateway:
            yield Gate(gateway, provider, keys)
