"""The policy file as types: every key that this version has, and nothing else.

What a single value may be is said here; what one part must know of another (a tenant's
policies exist, two rules differ) is in `config/checks.py`. Names go into metric labels, paths
and state keys, so they are short and plain.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    SerializeAsAny,
    StringConstraints,
    WithJsonSchema,
)

from gateway.config.forward_proxy import ForwardProxy
from gateway.config.notices import Notices
from gateway.config.prices import Price, PricedModel
from gateway.config.rule_options import RuleOptions, Strict
from gateway.config.units import BytesField, DurationField
from gateway.config.upstreams import Upstream
from gateway.policy.kinds import KINDS
from gateway.verdict import Mode

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""A tenant's, policy's or key's name: up to 63 letters, digits, `_`, `.` and `-`."""

UpstreamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
"""An upstream's name stands in paths (`/{upstream}/...`)."""

HostName = Annotated[
    str, StringConstraints(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})$")
]
"""A host as the `Host` header names it, without its port."""

Origin = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*://[^/\s]+$")]
"""An origin as browsers send it: scheme and host, no path."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def parse_digest(value: object) -> str:
    """`sha256:` and 64 hex digits. The error never shows what stood there: it may be the key."""
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    raise ValueError('expected "sha256:" and 64 hex digits, as `portcullis key new` prints it')


def parse_moment(value: object) -> datetime:
    """`2027-01-31` (its first moment, in UTC) or `2027-01-31T12:00:00Z`."""
    expected = 'expected a date or a time with its zone, such as "2027-01-31T12:00:00Z"'
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        if len(value) == 10:
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(expected)


def parse_rule(value: object) -> RuleOptions:
    """A rule by its kind. The kind's own model checks the rest."""
    if isinstance(value, RuleOptions):
        return value
    if not isinstance(value, dict):
        raise ValueError("expected a rule, such as {kind: secrets, action: block}")
    kind = value.get("kind")
    if kind is None:
        raise ValueError(f"a rule needs a kind: {', '.join(KINDS)}")
    if not isinstance(kind, str) or kind not in KINDS:
        near = get_close_matches(str(kind), list(KINDS), 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"this version has no kind {kind!r}{hint}; it has {', '.join(KINDS)}")
    return KINDS[kind].Options.model_validate(value)


Digest = Annotated[
    str,
    PlainValidator(parse_digest),
    WithJsonSchema({"type": "string", "pattern": f"^{_DIGEST.pattern}$"}),
]
"""The hash of a key or token, as `portcullis key new` prints it."""

MomentField = Annotated[
    datetime,
    PlainValidator(parse_moment),
    WithJsonSchema({"type": "string", "examples": ["2027-01-31", "2027-01-31T12:00:00Z"]}),
]
RuleField = Annotated[
    RuleOptions,
    PlainValidator(parse_rule),
    SerializeAsAny(),
    WithJsonSchema({"$ref": "#/$defs/Rule"}),
]


class Key(Strict):
    """A gateway key, known by its hash. `may_assert` names what its holder may say of itself."""

    name: Name
    hash: Digest
    agent: Name | None = None
    may_assert: tuple[Literal["user", "task", "feature", "outcome"], ...] = ()
    expires: MomentField | None = None


class Tenant(Strict):
    """Who pays, by which keys it is known, and which policies hold for it, in order."""

    keys: tuple[Key, ...] = ()
    policies: tuple[Name, ...] = ()


class Policy(Strict):
    """A named list of rules. `mode` holds for every rule that does not say otherwise."""

    mode: Mode = Mode.ENFORCE
    rules: tuple[RuleField, ...]


class Sessions(Strict):
    """When a session ends, and whether `prompt_cache_key` names one."""

    idle: DurationField = 1800.0
    max: DurationField = 86400.0
    prompt_cache_key: bool = False


class Listener(Strict):
    """Which `Host` and `Origin` headers the data listener takes besides its own address."""

    hosts: tuple[HostName, ...] = ()
    origins: tuple[Origin, ...] = ()


class Limits(Strict):
    """Bounds of the gateway itself, whatever the rules say."""

    max_body: BytesField = 32_000_000
    max_answer: BytesField = 64_000_000
    head_timeout: DurationField = 30.0
    body_timeout: DurationField = 300.0
    drain: DurationField = 30.0


class Audit(Strict):
    """What happens when the audit log cannot be written, and when a record is on disk."""

    on_error: Literal["block", "allow"] = "block"
    durability: Literal["async", "sync"] = "async"


class AdminToken(Strict):
    """Who may use the admin listener, known by a hash."""

    name: Name
    hash: Digest
    role: Literal["viewer", "approver", "operator"]


class Admin(Strict):
    """The admin listener."""

    tokens: tuple[AdminToken, ...] = ()


class PolicyFile(Strict):
    """The whole file, or a folder of files merged."""

    version: Literal[1]
    environment: Name | None = None
    upstreams: dict[UpstreamName, Upstream] = Field(min_length=1)
    tenants: dict[Name, Tenant] = Field(min_length=1)
    default_tenant: Name | None = None
    policies: dict[Name, Policy] = Field(default_factory=dict)
    sessions: Sessions = Sessions()
    listener: Listener = Listener()
    limits: Limits = Limits()
    forward_proxy: ForwardProxy | None = None
    audit: Audit = Audit()
    notices: Notices = Notices()
    admin: Admin = Admin()
    prices: dict[PricedModel, Price] = Field(default_factory=dict)

    def rules(self) -> list[tuple[str, int, Any]]:
        """Every rule as (policy, position in it, options), in the order of the file."""
        return [
            (name, position, options)
            for name, policy in self.policies.items()
            for position, options in enumerate(policy.rules)
        ]
