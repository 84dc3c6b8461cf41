"""The admin listener: what an operator may see and do, each call with a named token.

Rules of this file:
- Nothing is open: reading too needs a token. Tokens are known by their hashes only.
- `Host` must be the listener's own and a request from a web page (`Origin`) is refused.
- docs/admin.md lists every path; `/admin/openapi.json` is made from the same table.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import __version__
from gateway.admin.health import Supervised
from gateway.admin.listener import Ask, Told
from gateway.config.load import Loaded

ROLES = ("viewer", "approver", "operator")
"""Each may do what the ones before it may."""


class Steered(Supervised, Protocol):
    """What the admin listener does with the supervisor."""

    loaded: Loaded | None

    async def reload(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API."""

    method: str
    path: str
    role: str
    summary: str
    run: Callable[[Ask], Awaitable[Told]]


class AdminApi:
    """Answers the admin listener.

    Args:
        hosts: names by which the listener may be called, in lower case, without ports.
        note: told of each change that a token's holder made (name, what).
    """

    def __init__(
        self, supervisor: Steered, hosts: frozenset[str], note: Callable[[str, str], None]
    ) -> None:
        self._supervisor = supervisor
        self._hosts = hosts
        self._note = note
        self._routes = (
            Route("GET", "/admin/v1/status", "viewer", "State of workers and policy", self._status),
            Route("GET", "/admin/v1/policy", "viewer", "Policies and rules in force", self._policy),
            Route("POST", "/admin/v1/reload", "operator", "Load the policy again", self._reload),
            Route("GET", "/admin/openapi.json", "viewer", "This API as OpenAPI", self._openapi),
        )

    async def answer(self, ask: Ask) -> Told:
        host = ask.headers.get("host", "").lower()
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if name not in self._hosts or ask.headers.get("origin"):
            return _error(403, "called by a foreign host or from a web page")
        found = [route for route in self._routes if route.path == ask.path]
        if not found:
            return _error(404, "no such path; see /admin/openapi.json")
        holder = self._holder(ask.headers.get("authorization", ""))
        if holder is None:
            return _error(401, "send an admin token as Authorization: Bearer pta_...")
        route = next((route for route in found if route.method == ask.method), None)
        if route is None:
            return _error(405, f"use {found[0].method}")
        if ROLES.index(holder[1]) < ROLES.index(route.role):
            return _error(403, f"this needs the role {route.role}; {holder[0]!r} is {holder[1]}")
        if route.method != "GET":
            self._note(holder[0], route.path)
        return await route.run(ask)

    def _holder(self, authorization: str) -> tuple[str, str] | None:
        """Name and role of a token's holder."""
        loaded = self._supervisor.loaded
        scheme, _, token = authorization.partition(" ")
        if loaded is None or scheme.lower() != "bearer" or not token:
            return None
        hashed = "sha256:" + hashlib.sha256(token.strip().encode()).hexdigest()
        for known in loaded.file.admin.tokens:
            if hmac.compare_digest(known.hash, hashed):
                return known.name, known.role
        return None

    # --- calls ---

    async def _status(self, ask: Ask) -> Told:
        state = self._supervisor.describe()
        state["health"] = {str(n): h for n, h in (await self._supervisor.health()).items()}
        return Told(200, state)

    async def _policy(self, ask: Ask) -> Told:
        loaded = self._supervisor.loaded
        if loaded is None:
            return _error(503, "no policy is loaded")
        return Told(
            200,
            {
                "digest": loaded.digest,
                "warnings": loaded.warnings,
                "tenants": {n: list(t.policies) for n, t in loaded.file.tenants.items()},
                "rules": loaded.sources,
            },
        )

    async def _reload(self, ask: Ask) -> Told:
        problems = await self._supervisor.reload()
        if problems:
            return Told(422, {"error": "the policy cannot be used", "problems": problems})
        return Told(200, {"policy": self._supervisor.describe()["policy"]})

    async def _openapi(self, ask: Ask) -> Told:
        return Told(200, openapi(self._routes))


def openapi(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = {
            "summary": route.summary,
            "description": f"Needs the role {route.role} or above.",
            "security": [{"token": []}],
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {}}},
                "401": {"description": "No valid token"},
                "403": {"description": "Not with this role, host or origin"},
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portcullis admin", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _error(status: int, message: str) -> Told:
    return Told(status, {"error": message})
