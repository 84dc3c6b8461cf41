"""Codex itself over WebSocket: it warms up, goes on by `previous_response_id`, and takes a block as
it takes one over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.answers import Say, Tool
from tests.agents.leash import Leash
from tests.agents.programs import CODEX, CODEX_CONFIG, Ran
from tests.proxy.local import LocalGateway, policy
from tests.proxy.socket_provider import SocketProvider, Step, events

COMMAND = {"cmd": "echo made > made.txt"}


def answer(got: dict[str, Any], number: int) -> list[Step]:
    """Nothing to a warm-up, else a call of the shell, then a closing text."""
    if got.get("generate") is False:
        return events(Say(()))
    if "function_call_output" in [item.get("type") for item in got["input"]]:
        return events(Say(("All is done.",)))
    return events(Say((), tools=[Tool("exec_command", json.dumps(COMMAND))]))


@dataclass
class Played:
    """What Codex did, what the provider got, and what was recorded."""

    ran: Ran
    got: list[dict[str, Any]]
    records: list[dict[str, Any]]
    made: bool


def prepare(home: Path, base: str, key: str) -> dict[str, str]:
    (home / ".codex").mkdir(exist_ok=True)
    config = CODEX_CONFIG.replace("BASE", base) + "supports_websockets = true\n"
    (home / ".codex" / "config.toml").write_text(config)
    return {"GATEWAY_KEY": key}


@pytest.fixture
def leash() -> Iterator[Leash]:
    with Leash() as made:
        yield made
    assert made.asked == []


def play(folder: Path, leash: Leash, *rules: dict[str, Any]) -> Played:
    binary = CODEX.binary()
    if binary is None:
        pytest.skip("Codex is not here: `make test` installs it where npm can get it")
    program = replace(CODEX, prepare=prepare)
    with (
        SocketProvider(answer) as provider,
        LocalGateway(folder, policy(provider.url, *rules)) as gateway,
    ):
        home = folder / "home"
        prompt = "please make a file"
        ran = program.run(binary, home, gateway.base, "sk-x", prompt, environment=leash.environment)
        gateway.idle()
        records = [r for r in gateway.records() if r["dialect"] == "openai_responses"]
        return Played(ran, provider.got, records, (home / "work" / "made.txt").exists())


def test_codex_does_its_work(tmp_path: Path, leash: Leash) -> None:
    played = play(tmp_path, leash, {"kind": "secrets", "action": "block"})
    assert played.ran.code == 0, played.ran.shown
    assert "All is done." in played.ran.shown
    assert played.made
    assert {got["type"] for got in played.got} == {"response.create"}
    assert [got.get("previous_response_id") is None for got in played.got] == [True, False, False]
    assert [record["outcome"] for record in played.records] == ["answered"] * 3
    assert len({record["who"]["session"] for record in played.records}) == 1


def test_codex_shows_a_block_and_does_not_ask_again(tmp_path: Path, leash: Leash) -> None:
    deny = {"kind": "patterns", "deny": ["make a file"], "action": "block"}
    played = play(tmp_path, leash, deny)
    assert "Portcullis blocked this request" in played.ran.shown
    assert not played.made
    refused = [record for record in played.records if record["outcome"] == "refused"]
    assert [record["reason"] for record in refused] == ["pattern_found"]


def test_codex_runs_no_tool_that_was_taken_out(tmp_path: Path, leash: Leash) -> None:
    deny = {"kind": "tools", "deny": ["exec_command"]}
    played = play(tmp_path, leash, {**deny, "when": {"upstream": ["openai"]}})
    assert "Portcullis" in played.ran.shown
    assert not played.made
