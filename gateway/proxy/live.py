"""What the data path needs of one policy snapshot, made once and kept to the end of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.config.policy_file import PolicyFile
from gateway.identity.tenant import KeyRing
from gateway.policy.pipeline import Pipeline
from gateway.tls import Pems
from gateway.upstream.client import Timeouts
from gateway.upstream.prices import Prices
from gateway.upstream.router import Router
from gateway.upstream.tools import NO_TOOLS, ToolTable
from gateway.upstream.way import Way

_KEY_HEADERS = {
    "anthropic": "x-api-key",
    "azure_openai": "api-key",
    "gemini": "x-goog-api-key",
}
"""Where a provider wants its key, if not in `Authorization`."""


@dataclass(frozen=True, slots=True)
class UpstreamPlan:
    """How an upstream is reached and called, and the tools that it has. `credential` is a
    header, or None. `drops_context`: it learns of no trace."""

    way: Way
    credential: tuple[str, str] | None
    timeouts: Timeouts
    tools: ToolTable = NO_TOOLS
    drops_context: bool = False


@dataclass(frozen=True, slots=True)
class TenantLive:
    """What holds for one tenant: its pipeline, and what its rules need to know of sessions."""

    pipeline: Pipeline
    counts_sessions: bool
    times_runs: bool
    pseudonymizes: bool


@dataclass(frozen=True, slots=True)
class Live:
    """A compiled policy with everything that is looked up per call."""

    digest: str
    file: PolicyFile
    tenants: Mapping[str, TenantLive]
    router: Router
    keys: KeyRing
    upstreams: Mapping[str, UpstreamPlan]
    prices: Prices
    hosts: frozenset[str]
    origins: frozenset[str]
    check_host: bool  # the listener is on loopback


def upstream_plan(
    file: PolicyFile, name: str, tools: ToolTable = NO_TOOLS, pems: Pems | None = None
) -> UpstreamPlan:
    """How an upstream of the policy file is called, with these certificates."""
    options = file.upstreams[name]
    credential = None
    if options.credential is not None and options.credential.get_secret_value():
        secret = options.credential.get_secret_value()
        header = options.credential_header or _KEY_HEADERS.get(options.provider)
        credential = (header, secret) if header else ("authorization", f"Bearer {secret}")
    base = options.url
    if options.provider == "mcp":  # the router gives its whole path
        base = base[: len(base) - len(urlsplit(base).path)]
    return UpstreamPlan(
        Way(base, options.proxy, pems),
        credential,
        Timeouts(read=options.timeout),
        tools,
        drops_context=options.trace_context == "drop",
    )
