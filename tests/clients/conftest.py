"""One gateway and one fake provider for all tests of the SDKs; a tenant for each way to call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.clients.cases import CASES, SAYS

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen

FLAVOURS = ("openai_chat", "openai_responses", "anthropic_messages")
SIDES = ("python", "node", "ai")


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
    keys: dict[tuple[str, str, str, bool], str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return self.gateway.base

    def received(self, key_tag: str, since: int) -> list[Seen]:
        return self.provider.seen[since:]


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    keys: dict[tuple[str, str, str, bool], str] = {}
    tenants: dict[str, Any] = {}
    for case in CASES:
        for side in SIDES:
            for flavour in FLAVOURS:
                for stream in (False, True):
                    key = keys[case.name, side, flavour, stream] = new_key()
                    name = f"{case.name}.{side}.{flavour}.{'s' if stream else 'w'}"
                    tenants[name] = {
                        "keys": [{"name": "agent", "hash": hash_of(key)}],
                        "policies": [case.name],
                    }
    with FakeProvider(answer) as provider:
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", "url": provider.url, "credential": "sk-own"},
                "anthropic": {"provider": "anthropic", "url": provider.url, "credential": "sk-own"},
            },
            "tenants": tenants,
            "policies": {case.name: {"rules": case.rules} for case in CASES},
        }
        with RunningGateway(tmp_path_factory.mktemp("gate"), policy) as gateway:
            yield Gate(gateway, provider, keys)
