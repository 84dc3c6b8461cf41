"""Which upstream a request is for, by its path; which dialect it speaks there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import unquote, urlsplit

from gateway.dialects.base import Dialect
from gateway.dialects.http_tool import AMBIGUOUS, HttpTool
from gateway.dialects.http_tool_path import words_of
from gateway.dialects.mcp import Mcp
from gateway.dialects.mcp_address import is_well_known, upstream_path, well_known_of
from gateway.dialects.paths import plain_path
from gateway.dialects.registry import DIALECTS, dialect_for
from gateway.dialects.spelling import StrictlySpelled
from gateway.errors import CallerError
from gateway.exchange import Target
from gateway.message import Headers, Request
from gateway.upstream.tools import NO_TOOLS, AmbiguousPathError, ToolTable
from gateway.verdict import Reason

BY_NAME_ONLY = frozenset({"mcp", "http"})
"""Providers without paths of their own: they are called by their upstream's name."""

_GOOGLES = ("/v1beta/", "/v1beta1/", "/upload/v1beta/", "/upload/v1/", "/download/v1beta/")
"""How paths begin that only Google has: its models, files, caches and batches."""

_OVERRIDE = "x-http-method-override"
"""Google's servers take the method from this header ("System parameters" in their docs)."""

_SPELLED = {name: StrictlySpelled(dialect) for name, dialect in DIALECTS.items()}
"""The dialects as Ollama speaks them, which is a server in Go."""


class UpstreamOptions(Protocol):
    """What the router reads of an upstream in the policy file."""

    @property
    def provider(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def default(self) -> bool: ...


class Router:
    """Built once for a policy snapshot from its upstreams, and the tools of each, by name."""

    def __init__(
        self,
        upstreams: Mapping[str, UpstreamOptions],
        tools: Mapping[str, ToolTable] | None = None,
    ) -> None:
        self._upstreams = dict(upstreams)
        self._tools = dict(tools or {})
        self._by_provider: dict[str, str] = {}
        for name, options in upstreams.items():
            if options.provider in BY_NAME_ONLY:
                continue
            if options.default or options.provider not in self._by_provider:
                self._by_provider[options.provider] = name
        self._endpoints = {
            name: urlsplit(options.url).path
            for name, options in upstreams.items()
            if options.provider == "mcp"
        }
        self._mcp = {name: Mcp(path) for name, path in self._endpoints.items()}
        self._known: dict[tuple[str, str, str, bool], Target] = {}

    def route(self, request: Request) -> Target:
        """Find the upstream of a request.

        Raises:
            CallerError: 404, no upstream takes that path.
        """
        path, mark, query = request.target.partition("?")
        first = _asked_by(request.headers, path)
        versioned = bool(mark) and "api-version=" in query
        key = (request.method, path, first, versioned)
        target = self._known.get(key)
        if target is None:
            target = self._find(request.method, path, first, versioned)
            if len(self._known) < 1024:
                self._known[key] = target
        if target.provider == "gemini" and _OVERRIDE in request.headers:
            raise CallerError(
                Reason.TARGET_MALFORMED,
                f"{_OVERRIDE} would make another request of this one than the one that is judged. "
                "Send it with its own method.",
            )
        if not mark:
            return target
        whole = f"{target.path}?{query}"
        return replace(target, path=whole)

    def dialect(self, target: Target) -> Dialect:
        """What reads a call to a target that `route` found."""
        if target.dialect == "mcp":
            return self._mcp[target.upstream]
        if target.provider == "ollama":
            return _SPELLED[target.dialect]
        if target.dialect != "http_tool":
            return DIALECTS[target.dialect]
        tool = self._table(target.upstream).named(target.tool) if target.tool else None
        return HttpTool(target.tool, tool.path if tool is not None else None, target.path)

    def _find(self, method: str, path: str, asker: str, versioned: bool) -> Target:
        first, slash, rest = path.lstrip("/").partition("/")
        named = unquote(first)
        if named == "openai" and self._is_azures(rest, versioned):
            return self._target(self._by_provider["azure_openai"], method, path)
        if named in self._upstreams:
            return self._target(named, method, "/" + rest if slash else "/")
        if (document := self._login_document(method, path)) is not None:
            return document
        if "gemini" in self._by_provider and path.startswith(_GOOGLES):
            return self._target(self._by_provider["gemini"], method, path)
        order = self._order(asker)
        spoken = [(provider, dialect_for(provider, method, path)) for provider in order]
        spoken = [(provider, dialect) for provider, dialect in spoken if dialect != "opaque"]
        for provider, dialect in spoken:
            if dialect.startswith(provider):  # the dialect's own provider before a compatible one
                return self._target(self._by_provider[provider], method, path)
        if spoken or (order and path.startswith("/v1/")):
            provider = spoken[0][0] if spoken else order[0]
            return self._target(self._by_provider[provider], method, path)
        if "ollama" in self._by_provider and self._is_ollamas(method, path, asker):
            return self._target(self._by_provider["ollama"], method, path)
        names = ", ".join(f"/{name}/" for name in self._upstreams) or "none"
        raise _unknown(
            "No upstream takes this path. Use the provider's own path (/v1/chat/completions, "
            "/v1/responses, /v1/embeddings, /v1/messages, /v1beta/models/...) or a named "
            f"upstream's prefix: {names}."
        )

    def _is_ollamas(self, method: str, path: str, asker: str) -> bool:
        """Whether a path that no dialect reads is Ollama's: its API, and the root, by which its
        command line tool asks whether it is there."""
        if path in ("", "/"):
            return method in ("GET", "HEAD") and (asker == "ollama" or len(self._by_provider) == 1)
        return path.startswith("/api/") and not path.startswith("/api/v1/")

    def _is_azures(self, rest: str, versioned: bool) -> bool:
        """Whether `/openai/<rest>` is Azure's path, not one of an upstream that is named so."""
        if "azure_openai" not in self._by_provider:
            return False
        return (
            "openai" not in self._upstreams
            or versioned
            or plain_path(rest).startswith("/deployments/")
        )

    def _order(self, asker: str) -> list[str]:
        """Providers in the order in which a shared path is tried."""
        first = asker if asker in self._by_provider else "openai"
        return sorted(
            self._by_provider,
            # Azure has no paths without its own prefix, so it comes last.
            key=lambda provider: (provider != first, provider == "azure_openai", provider),
        )

    def _target(self, name: str, method: str, path: str) -> Target:
        provider = self._upstreams[name].provider
        if provider == "mcp":
            return self._mcp_target(name, method, path)
        if provider == "http":
            return self._tool_target(name, method, path)
        return Target(name, provider, dialect_for(provider, method, path), path)

    def _mcp_target(self, name: str, method: str, path: str) -> Target:
        """The path of upstream's is its whole path: the configured URL is one of them."""
        found = upstream_path(self._endpoints[name], path)
        if found is None:
            raise _unknown(f"This MCP server is reached at /{name}, and nothing else of it is.")
        reads = method in ("GET", "HEAD", "OPTIONS")
        return Target(name, "mcp", "opaque" if reads and is_well_known(found) else "mcp", found)

    def _login_document(self, method: str, path: str) -> Target | None:
        """A document about an MCP server's login, which clients look for at the root."""
        parts = well_known_of(path)
        if parts is None or method not in ("GET", "HEAD", "OPTIONS"):
            return None
        document, name, rest = parts
        resource = upstream_path(self._endpoints[name], rest) if name in self._endpoints else None
        if resource is None:
            return None
        return Target(name, "mcp", "opaque", document + resource.rstrip("/"))

    def _tool_target(self, name: str, method: str, path: str) -> Target:
        """The tool of an HTTP upstream whose method and path these are, where it is one."""
        found, shown = "", words_of(path)
        try:
            tool = self._table(name).find(method, path)
            if tool is not None and tool.path is not None:
                found, shown = tool.name, tool.path.text
        except AmbiguousPathError:
            found = AMBIGUOUS
        return Target(name, "http", "http_tool", path, found, f"/{name}{shown}")

    def _table(self, name: str) -> ToolTable:
        return self._tools.get(name, NO_TOOLS)


def _asked_by(headers: Headers, path: str) -> str:
    """Whose SDK asks, where one says so: paths like `/v1/models` are nobody's own."""
    if path == "/" and headers.get("user-agent").lower().startswith("ollama"):
        return "ollama"
    if "anthropic-version" in headers:
        return "anthropic"
    return "gemini" if "x-goog-api-key" in headers else "openai"


def _unknown(message: str) -> CallerError:
    return CallerError(Reason.UPSTREAM_UNKNOWN, message, status=404)
