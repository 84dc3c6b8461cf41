"""The keys that every rule takes. Each kind's own options model derives from this one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.verdict import Mode


class Strict(BaseModel):
    """Base of every model of the policy file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class When(Strict):
    """Which calls a rule watches; every given key must match. Values are globs."""

    tenant: list[str] | None = None
    agent: list[str] | None = None
    user: list[str] | None = None
    task: list[str] | None = None
    environment: list[str] | None = None
    model: list[str] | None = None
    upstream: list[str] | None = None
    tool: list[str] | None = None


Scope = Literal["global", "tenant", "user", "agent", "session", "model", "tool", "upstream"]
SurfaceName = Literal[
    "system",
    "user",
    "assistant",
    "tool_call",
    "tool_result",
    "tool_definition",
    "reasoning",
    "output",
]


class RuleOptions(Strict):
    """Common keys of a rule.

    `id` is by default made of the kind, `per` and the window: see docs/policy-file.md.
    `on_error` and `unscannable` have a default per kind.
    """

    kind: str
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    mode: Mode | None = None
    on_error: Literal["block", "allow"] = "block"
    when: When | None = None

    def default_id(self) -> str:
        """The id a rule has when the operator gave none."""
        return self.kind


class ContentOptions(RuleOptions):
    """Keys of the kinds that read text."""

    surfaces: list[SurfaceName] | None = None
    unscannable: Literal["flag", "block", "allow"] = "flag"
