"""The probe listener: /metrics, /healthz, /readyz and nothing else, open to who can reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.admin.listener import Ask, Told

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Supervised(Protocol):
    """What the listeners know of the supervisor."""

    draining: bool

    def describe(self) -> dict[str, Any]: ...

    async def health(self) -> dict[int, dict[str, Any]]: ...


class Probes:
    """Answers probes.

    `/healthz`: the supervisor runs. `/readyz`: 200 when every wanted worker serves and it is not
    draining; a policy that could not be loaded shows there, but the old one still serves.
    """

    def __init__(self, supervisor: Supervised, exposition: Callable[[], Awaitable[str]]) -> None:
        self._supervisor = supervisor
        self._exposition = exposition

    async def answer(self, ask: Ask) -> Told:
        if ask.method not in ("GET", "HEAD"):
            return Told(405, {"error": "only GET"})
        match ask.path:
            case "/healthz":
                return Told(200, {"status": "ok"})
            case "/readyz":
                return await self._ready()
            case "/metrics":
                return Told(200, await self._exposition(), METRICS_TYPE)
        return Told(404, {"error": "only /metrics, /healthz and /readyz are here"})

    async def _ready(self) -> Told:
        state = self._supervisor.describe()
        health = await self._supervisor.health()
        workers = state["workers"]
        state["audit"] = "ok" if all(h["audit"] for h in health.values()) else "failing"
        ready = workers["ready"] == workers["wanted"] and not self._supervisor.draining
        state["status"] = "ready" if ready else "not ready"
        if ready and state["policy_problems"]:
            state["status"] = "ready, with the policy from before"
        return Told(200 if ready else 503, state)
