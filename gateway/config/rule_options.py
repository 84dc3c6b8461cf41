"""The keys that every rule takes. Each kind's own options model derives from this one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from gateway.config.units import PercentField
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


OnError = Literal["block", "allow", "local"]

LOCAL_SHARE = 0.1


def _without_share(value: OnError) -> OnError:
    if value == "local":
        raise ValueError(
            "this kind takes 'block' or 'allow'; 'local' is for the kinds that count in the state "
            "store: rate_limit and budget"
        )
    return value


BlockOrAllow = Annotated[
    OnError,
    AfterValidator(_without_share),
    WithJsonSchema({"enum": ["block", "allow"], "type": "string"}),
]
"""`on_error` of the kinds that keep nothing in the state store."""


class RuleOptions(Strict):
    """Common keys of a rule.

    `id` is by default made of the kind, `per` and the window: see docs/policy-file.md.
    `on_error` and `unscannable` have a default per kind.
    """

    kind: str
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    mode: Mode | None = None
    on_error: BlockOrAllow = "block"
    when: When | None = None

    def default_id(self) -> str:
        """The id a rule has when the operator gave none."""
        return self.kind


class LimitOptions(RuleOptions):
    """Keys of the kinds that count in the state store.

    `local_share`: the part of the limit that one gateway gives away by itself while the store is
    away, where `on_error` is `local`; its workers divide it among them.
    """

    on_error: OnError = "block"
    local_share: PercentField = LOCAL_SHARE

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if "local_share" in self.model_fields_set:
            if self.on_error != "local":
                raise ValueError("`local_share` needs `on_error: local`")
            if not self.local_share:
                raise ValueError("`local_share` is more than 0%; to refuse all, `on_error: block`")
        return self


class ContentOptions(RuleOptions):
    """Keys of the kinds that read text."""

    surfaces: list[SurfaceName] | None = None
    unscannable: Literal["flag", "block", "allow"] = "flag"
