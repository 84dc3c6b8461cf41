"""What happens to a real agent under a rule, row by row. A tenant of its own for each row and each
agent, so that no rule sees another's calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.testing.answers import Say

KEY = "AKIAIOSFODNN7EXAMPLE"
MAIL = "ann.lee@example.com"
COMMAND = "echo made > made.txt; cat made.txt"
DONE = "All is done."


@dataclass(frozen=True)
class Case:
    """One prompt under some rules.

    `calls` reached the gateway, `sent` of them the provider; `made` says whether the tool ran, and
    `shows` what the agent's user reads, where `TOOL` stands for the name of its shell tool. `codes`
    are exit codes that are not `code`, by the agent's name.
    """

    name: str
    rules: tuple[dict[str, Any], ...]
    calls: int
    sent: int
    shows: tuple[str, ...]
    prompt: str = "Make the file."
    code: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    made: bool = False
    says: str = "shell"  # what the provider answers: see `SAYS`

    def code_of(self, agent: str) -> int:
        return self.codes.get(agent, self.code)


SAYS: dict[str, Say] = {  # and "shell": the agent's own shell tool with COMMAND, then DONE;
    # "write": the same with the address that the model was told
    "plain": Say(pieces=("Here ", "I am.")),
    "late": Say(pieces=("It looks well. ", "The word is ", "sword", "fish, so. ", "Bye.")),
    "early": Say(pieces=("sword", "fish is the word.")),
}

POLICIES = Path(__file__).parents[2] / "policies"


def shipped(file: str, policy: str) -> tuple[dict[str, Any], ...]:
    """The rules of a policy that operators copy."""
    return tuple(yaml.safe_load((POLICIES / file).read_text())["policies"][policy]["rules"])


SWORDFISH = {"kind": "patterns", "deny": ["swordfish"], "surfaces": ["output"], "action": "block"}
BLOCKED = "Portcullis blocked this request: rule "

CASES = (
    Case(
        "allowed",
        ({"kind": "secrets", "action": "block"}, {"kind": "loop", "repeats": 5}),
        calls=2,
        sent=2,
        shows=(DONE,),
        made=True,
    ),
    Case("starter", shipped("starter.yaml", "starter"), calls=2, sent=2, shows=(DONE,), made=True),
    Case(
        "strict-data",  # what they send of themselves is no injection and no secret
        shipped("strict.yaml", "data"),
        calls=2,
        sent=2,
        shows=(DONE,),
        made=True,
    ),
    Case(
        "stand-ins",
        ({"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "pseudonymize"},),
        prompt=f"Write {MAIL} into the file.",
        says="write",
        calls=2,
        sent=2,
        shows=(DONE,),
        made=True,
    ),
    Case(
        "tool",
        ({"kind": "tools", "deny": ["Bash", "exec_command"]},),
        calls=1,
        sent=1,
        shows=(
            "Portcullis took out a call of the tool 'TOOL': rule tool/tools forbids the tool",
            "The tool was not run.",
        ),
    ),
    Case(
        "arguments",
        ({"kind": "patterns", "deny": ["> made"], "surfaces": ["tool_call"], "action": "block"},),
        calls=1,
        sent=1,
        shows=(
            "Portcullis took out a call of the tool 'TOOL': rule arguments/patterns found",
            "The tool was not run.",
        ),
    ),
    Case(
        "secret",
        ({"kind": "secrets", "action": "block"},),
        prompt=f"Why does {KEY} not work?",
        calls=1,
        sent=0,
        shows=(
            BLOCKED + "secret/secrets found an AWS access key in the user message.",
            "Nothing was sent to the provider. Remove it and send again.",
        ),
        code=1,
    ),
    Case(
        "model",
        ({"kind": "model", "allow": ["none-*"]},),
        calls=1,
        sent=0,
        shows=(BLOCKED + "model/model",),
        code=1,
    ),
    Case(
        "answer",
        (SWORDFISH,),
        says="early",
        calls=1,
        sent=1,
        shows=("Portcullis blocked this answer: rule answer/patterns",),
        code=1,
    ),
    Case(
        "stream",
        (SWORDFISH,),
        says="late",
        calls=1,
        sent=1,
        shows=("Portcullis blocked this answer: rule stream/patterns", "The rest of the answer"),
        codes={"Codex": 1},  # Claude Code takes it for a normal end
    ),
    Case(
        "short-wait",
        ({"kind": "rate_limit", "per": "tenant", "requests": "30/min", "burst": 1},),
        calls=3,
        sent=2,
        shows=(DONE,),
        made=True,
    ),
    Case(
        "long-wait",
        ({"kind": "rate_limit", "per": "tenant", "requests": "1/hour"},),
        calls=2,
        sent=1,
        shows=(
            "Portcullis is holding back this request: rule long-wait/rate_limit-tenant allows",
            "Send the same request again in",
        ),
        code=1,
        made=True,
    ),
    Case(
        "budget",
        ({"kind": "budget", "per": "tenant", "limit": "100 tokens", "window": "total"},),
        calls=1,
        sent=0,
        shows=(BLOCKED + "budget/budget-tenant-total has 100 tokens left of a budget of",),
        code=1,
    ),
)
