"""Codex over WebSocket: it warms up, goes on by `previous_response_id`, and what it does and shows
under a rule is what it does over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from tests.agents.cases import CASES, COMMAND, SAYS, Case
from tests.agents.leash import Leash
from tests.agents.programs import CODEX
from tests.proxy.local import LocalGateway
from tests.proxy.socket_provider import SocketProvider, Step, events

NAMES = ("allowed", "tool", "secret", "stream", "long-wait", "budget")


def provider_says(got: dict[str, Any], number: int) -> list[Step]:
    """As the other tests' provider; Codex begins a connection by asking for no answer at all."""
    if got.get("generate") is False:
        return events(Say(pieces=()))
    if any(item.get("type") == "function_call_output" for item in got["input"]):
        return events(Say(pieces=("All is ", "done.")))
    if "[scene late]" in str(got["input"]):
        return events(SAYS["late"])
    return events(Say(pieces=("I make it.",), tools=(CODEX.shell(COMMAND),)))


@dataclass
class Scene:
    gateway: LocalGateway
    provider: SocketProvider
    leash: Leash
    keys: dict[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cases = [case for case in CASES if case.name in NAMES]
    keys = {case.name: new_key() for case in cases}
    with SocketProvider(provider_says) as provider, Leash() as leash:
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", "url": provider.url, "credential": "sk-own"}
            },
            "tenants": {
                name: {"keys": [{"name": "codex", "hash": hash_of(key)}], "policies": [name]}
                for name, key in keys.items()
            },
            "policies": {case.name: {"rules": _without_opening(case)} for case in cases},
        }
        with LocalGateway(tmp_path_factory.mktemp("sockets"), policy) as gateway:
            yield Scene(gateway, provider, leash, keys)


def _without_opening(case: Case) -> list[dict[str, Any]]:
    """The row's rules; its hourly limit has room for the request that opens a connection."""
    return [
        {**rule, "requests": "2/hour"} if rule.get("requests") == "1/hour" else rule
        for rule in case.rules
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_codex_does_and_its_user_reads(scene: Scene, name: str, tmp_path: Path) -> None:
    binary = CODEX.binary()
    if binary is None:
        pytest.skip("Codex is not here: `make test` installs it where npm can get it")
    case = next(case for case in CASES if case.name == name)
    before = len(scene.provider.got)
    ran = CODEX.run(
        binary,
        tmp_path,
        scene.gateway.base,
        scene.keys[name],
        f"{case.prompt} [scene {case.says}]",
        environment=scene.leash.environment,
        more=("-c", "model_providers.portcullis.supports_websockets=true"),
    )

    assert ran.code == case.code_of(CODEX.name), ran.shown
    for words in case.shows:
        assert words.replace("TOOL", "exec_command") in ran.shown
    assert (tmp_path / "work" / "made.txt").exists() == case.made
    sent = [got for got in scene.provider.got[before:] if got.get("generate") is not False]
    assert len(sent) == case.sent
    assert "Reconnecting" not in ran.shown
    assert "HTTPS" not in ran.shown  # to which it falls back where a socket does not work
    assert scene.leash.asked == []
    if name == "allowed":
        check_turns(scene, scene.provider.got[before:])


def check_turns(scene: Scene, got: list[dict[str, Any]]) -> None:
    """One session, each turn built on the one before."""
    assert {each["type"] for each in got} == {"response.create"}
    assert [each.get("previous_response_id") is None for each in got] == [True, False, False]
    scene.gateway.idle()
    records = [
        record
        for record in scene.gateway.records()
        if record["who"]["tenant"] == "allowed" and record["dialect"] == "openai_responses"
    ]
    assert [record["outcome"] for record in records] == ["answered"] * 3
    assert len({record["who"]["session"] for record in records}) == 1
