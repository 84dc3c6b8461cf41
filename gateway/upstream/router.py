"""Which upstream a request is for, by its path; which dialect it speaks there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import unquote

from gateway.dialects.base import Dialect
from gateway.dialects.registry import DIALECTS, dialect_for
from gateway.errors import CallerError
from gateway.exchange import Target
from gateway.message import Request
from gateway.verdict import Reason


class UpstreamOptions(Protocol):
    """What the router reads of an upstream in the policy file."""

    @property
    def provider(self) -> str: ...

    @property
    def default(self) -> bool: ...


class Router:
    """Built once for a policy snapshot from its upstreams, by name."""

    def __init__(self, upstreams: Mapping[str, UpstreamOptions]) -> None:
        self._upstreams = dict(upstreams)
        self._by_provider: dict[str, str] = {}
        for name, options in upstreams.items():
            if options.default or options.provider not in self._by_provider:
                self._by_provider[options.provider] = name
        self._known: dict[tuple[str, str, bool], Target] = {}

    def route(self, request: Request) -> Target:
        """Find the upstream of a request.

        Raises:
            CallerError: 404, no upstream takes that path.
        """
        path, mark, query = request.target.partition("?")
        anthropic = "anthropic-version" in request.headers
        key = (request.method, path, anthropic)
        target = self._known.get(key)
        if target is None:
            target = self._find(request.method, path, anthropic)
            if len(self._known) < 1024:
                self._known[key] = target
        if not mark:
            return target
        return Target(target.upstream, target.provider, target.dialect, f"{target.path}?{query}")

    def dialect(self, target: Target) -> Dialect:
        """What reads a call to a target that `route` found."""
        return DIALECTS[target.dialect]

    def _find(self, method: str, path: str, anthropic: bool) -> Target:
        first, slash, rest = path.lstrip("/").partition("/")
        named = unquote(first)
        if named in self._upstreams:
            return self._target(named, method, "/" + rest if slash else "/")
        order = self._order(anthropic)
        spoken = [(provider, dialect_for(provider, method, path)) for provider in order]
        spoken = [(provider, dialect) for provider, dialect in spoken if dialect != "opaque"]
        for provider, dialect in spoken:
            if dialect.startswith(provider):  # the dialect's own provider before a compatible one
                return self._target(self._by_provider[provider], method, path)
        if spoken or path.startswith("/v1/"):
            provider = spoken[0][0] if spoken else order[0]
            return self._target(self._by_provider[provider], method, path)
        names = ", ".join(f"/{name}/" for name in self._upstreams) or "none"
        raise CallerError(
            Reason.UPSTREAM_UNKNOWN,
            "No upstream takes this path. Use the provider's own path (/v1/chat/completions, "
            f"/v1/responses, /v1/embeddings, /v1/messages) or a named upstream's prefix: {names}.",
            status=404,
        )

    def _order(self, anthropic: bool) -> list[str]:
        """Providers in the order in which a shared path is tried."""
        first = "anthropic" if anthropic else "openai"
        return sorted(self._by_provider, key=lambda provider: (provider != first, provider))

    def _target(self, name: str, method: str, path: str) -> Target:
        provider = self._upstreams[name].provider
        return Target(name, provider, dialect_for(provider, method, path), path)
