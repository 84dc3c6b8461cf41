"""The admin listener: what an operator may see and do, each call with a named token.

Rules of this file:
- Nothing is open: reading too needs a token. Tokens are known by their hashes only.
- `Host` must be the listener's own name or address, and a request from a web page (`Origin`) is
  refused.
- docs/admin.md lists every path; `/admin/openapi.json` is made from the same table.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from gateway import __version__
from gateway.admin.health import Supervised
from gateway.admin.listener import Ask, Told
from gateway.config.load import Loaded
from gateway.identity.gateway_key import hash_of
from gateway.identity.task_outcomes import OUTCOMES, SESSION

LONGEST_NOTE = 200

ROLES = ("viewer", "approver", "operator")
"""Each may do what the ones before it may."""


class Steered(Supervised, Protocol):
    """What the admin listener does with the supervisor."""

    loaded: Loaded | None

    async def reload(self) -> list[str]: ...

    async def outcome(
        self, session: str, outcome: str, by: str, note: str
    ) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call of the API gets: who calls, what stands in its path, and its body."""

    holder: str
    named: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API. `{name}` in a path stands for one part of it; `takes` is the JSON schema
    of the body."""

    method: str
    path: str
    role: str
    summary: str
    run: Callable[[Asked], Awaitable[Told]]
    errors: Mapping[int, str] = field(default_factory=dict)
    takes: Mapping[str, Any] | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What paths of this call look like."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))


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
            Route(
                "POST",
                "/admin/v1/reload",
                "operator",
                "Load the policy again",
                self._reload,
                {422: "The policy cannot be used; the old one stays"},
            ),
            Route(
                "POST",
                "/admin/v1/sessions/{id}/outcome",
                "operator",
                "Say what a session came to",
                self._outcome,
                {
                    400: "Neither a session's key nor an outcome",
                    409: "The session has another outcome already",
                    503: "No worker, or no state store, answers",
                },
                _OUTCOME_SCHEMA,
            ),
            Route("GET", "/admin/openapi.json", "viewer", "This API as OpenAPI", self._openapi),
        )

    async def answer(self, ask: Ask) -> Told:
        if not self._is_own(ask):
            return _error(403, "called by a foreign host or from a web page")
        holder = self._holder(ask.headers.get("authorization", ""))
        if holder is None:
            message = "send an admin token as Authorization: Bearer ptc_..."
            return _error(401, message, {"www-authenticate": "Bearer"})
        found = {
            route.method: (route, match.groupdict())
            for route in self._routes
            if (match := route.pattern.fullmatch(ask.path))
        }
        if not found:
            return _error(404, "no such path; see /admin/openapi.json")
        if ask.method not in found:
            allowed = ", ".join(found)
            return _error(405, f"use {allowed}", {"allow": allowed})
        route, named = found[ask.method]
        name, role = holder
        if ROLES.index(role) < ROLES.index(route.role):
            return _error(403, f"this needs the role {route.role}; {name!r} is {role}")
        if route.method != "GET":
            self._note(name, ask.path)
        return await route.run(Asked(name, named, ask.body))

    def _is_own(self, ask: Ask) -> bool:
        """Whether the caller knows whom it calls, and is no web page (DNS rebinding)."""
        host = ask.headers.get("host", "").lower()
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        local = ask.local and name.strip("[]") == ask.local
        return "origin" not in ask.headers and bool(name in self._hosts or local)

    def _holder(self, authorization: str) -> tuple[str, str] | None:
        """Name and role of a token's holder."""
        loaded = self._supervisor.loaded
        scheme, _, token = authorization.partition(" ")
        if loaded is None or scheme.lower() != "bearer" or not token:
            return None
        hashed = hash_of(token.strip())
        for known in loaded.file.admin.tokens:
            if hmac.compare_digest(known.hash, hashed):
                return known.name, known.role
        return None

    # --- calls ---

    async def _status(self, _: Asked) -> Told:
        state = self._supervisor.describe()
        state["health"] = {str(n): h for n, h in (await self._supervisor.health()).items()}
        return Told(200, state)

    async def _policy(self, _: Asked) -> Told:
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

    async def _reload(self, _: Asked) -> Told:
        problems = await self._supervisor.reload()
        if problems:
            return Told(422, {"error": "the policy cannot be used", "problems": problems})
        return Told(200, {"policy": self._supervisor.describe()["policy"]})

    async def _outcome(self, asked: Asked) -> Told:
        session = asked.named["id"]
        if not SESSION.fullmatch(session):
            return _error(400, "name the session by its key, s_ and 32 hex digits")
        try:
            outcome, note = _told_outcome(asked.body)
        except ValueError as error:
            return _error(400, str(error))
        answer = await self._supervisor.outcome(session, outcome, asked.holder, note)
        if answer is None:
            return _error(503, "no worker answers; send it again later")
        if answer.get("problems"):
            return _error(503, answer["problems"][0])
        if answer["outcome"] != outcome:
            return _error(409, f"this session has the outcome {answer['outcome']} already")
        return Told(200, {"session": session, **answer})

    async def _openapi(self, _: Asked) -> Told:
        return Told(200, openapi(self._routes))


def openapi(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    for route in routes:
        responses = {"200": _answer("Done", {"type": "object"})}
        responses["401"] = _answer("No valid token", _ERROR)
        responses["403"] = _answer("Not with this role, host or origin", _ERROR)
        responses |= {str(status): _answer(what, _ERROR) for status, what in route.errors.items()}
        paths.setdefault(route.path, {})[route.method.lower()] = {
            "operationId": route.run.__name__.strip("_"),
            "summary": route.summary,
            "description": f"Needs the role {route.role} or above.",
            "security": [{"token": []}],
            "responses": responses,
            **_asked(route),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portcullis admin", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR_SCHEMA},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_ERROR = {"$ref": "#/components/schemas/Error"}
_ERROR_SCHEMA = {
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["error"],
}

_OUTCOME_SCHEMA = {
    "type": "object",
    "properties": {
        "outcome": {"type": "string", "enum": list(OUTCOMES)},
        "note": {"type": "string", "maxLength": LONGEST_NOTE},
    },
    "required": ["outcome"],
    "additionalProperties": False,
}


def _asked(route: Route) -> dict[str, Any]:
    """Parameters and body of a call, as OpenAPI has them."""
    asked: dict[str, Any] = {}
    if names := route.pattern.groupindex:
        asked["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if route.takes is not None:
        content = {"application/json": {"schema": route.takes}}
        asked["requestBody"] = {"required": True, "content": content}
    return asked


def _told_outcome(body: bytes) -> tuple[str, str]:
    """Outcome and note of a body. Raises ValueError with what is expected."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.get("outcome") not in OUTCOMES:
        raise ValueError(f'send {{"outcome": ...}}, one of {", ".join(OUTCOMES)}')
    note = said.get("note", "")
    if said.keys() - {"outcome", "note"} or not isinstance(note, str):
        raise ValueError("besides outcome there is note, a text, and nothing else")
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise ValueError(f"note: expected at most {LONGEST_NOTE} printable characters")
    return said["outcome"], note


def _answer(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Told:
    return Told(status, {"error": message}, headers=headers or {})
