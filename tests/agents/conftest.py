"""One gateway and one fake provider for all runs of the agents; a tenant for each row and agent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Raw, Seen
from tests.agents.cases import CASES, COMMAND, SAYS, Case
from tests.agents.leash import Leash
from tests.agents.programs import PROGRAMS, Program, Ran

SCENE = re.compile(rb"\[scene (\w+)\]")
TOLD = re.compile(rb"Write (\S+) into the file")


def provider_says(seen: Seen) -> Say | Raw:
    """What the prompt's scene asks for: a call of the agent's own shell, then a closing text."""
    if seen.method == "HEAD":  # Claude Code knocks first
        return Raw(status=404, pieces=(b"",))
    program = next(p for p in PROGRAMS if seen.path.partition("?")[0] == p.path)
    scene = SCENE.findall(seen.body)[-1].decode()
    if scene not in ("shell", "write"):
        return SAYS[scene]
    last = str((seen.json.get("messages") or seen.json["input"])[-1])
    if "tool_result" in last or "function_call_output" in last:
        return Say(pieces=("All is ", "done."))
    command = COMMAND
    if scene == "write":
        told = TOLD.findall(seen.body)[-1].decode()
        command = f"echo '{told}' > made.txt"
    return Say(pieces=("I make it.",), tools=(program.shell(command),))


@dataclass
class Stage:
    """A running gateway, its provider, the keys of its tenants, and the agents' way out."""

    gateway: RunningGateway
    provider: FakeProvider
    leash: Leash
    keys: dict[str, str] = field(default_factory=dict)

    def play(
        self,
        program: Program,
        case: Case,
        home: Path,
        prompt: str = "",
        *,
        says: str = "",
        key: str = "",
        goes_on: bool = False,
    ) -> Ran:
        """Give the agent the row's prompt, or another one. Skips where the agent is not here."""
        binary = program.binary()
        if binary is None:
            pytest.skip(f"{program.name} is not here: `make test` installs it where npm can get it")
        return program.run(
            binary,
            home,
            self.gateway.base,
            key or self.keys[tenant(program, case)],
            f"{prompt or case.prompt} [scene {says or case.says}]",
            environment=self.leash.environment,
            goes_on=goes_on,
        )

    def calls(self, program: Program, case: Case) -> list[dict[str, Any]]:
        """The closing records of what the agent sent under this row, the first knock left out."""
        return [
            record
            for record in self.gateway.records()
            if record["type"] == "closed"
            and record["who"]["tenant"] == tenant(program, case)
            and record["method"] == "POST"
        ]


def tenant(program: Program, case: Case) -> str:
    return f"{case.name}.{program.name}".replace(" ", "-")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    keys = {tenant(program, case): new_key() for program in PROGRAMS for case in CASES}
    with FakeProvider(provider_says) as provider, Leash() as leash:
        own = {"url": provider.url, "credential": "sk-own"}
        policy = {
            "version": 1,
            "upstreams": {
                "openai": {"provider": "openai", **own},
                "anthropic": {"provider": "anthropic", **own},
            },
            "tenants": {
                tenant(program, case): {
                    "keys": [
                        {"name": "agent", "hash": hash_of(keys[tenant(program, case)])},
                    ],
                    "policies": [case.name],
                }
                for program in PROGRAMS
                for case in CASES
            },
            "policies": {case.name: {"rules": list(case.rules)} for case in CASES},
        }
        with RunningGateway(tmp_path_factory.mktemp("agents"), policy) as gateway:
            yield Stage(gateway, provider, leash, keys)
