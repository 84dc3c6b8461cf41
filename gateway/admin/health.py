"""The probe listener: /metrics, /healthz, /readyz and nothing else, open to who can reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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

    `/healthz`: the supervisor runs. `/readyz`: 200 while every wanted worker answers and it is not
    draining, else 503; a policy or a certificate that could not be loaded shows there, but the old
    one still serves.
    """

    def __init__(self, supervisor: Supervised, exposition: Callable[[], Awaitable[str]]) -> None:
        self._supervisor = supervisor
        self._exposition = exposition

    async def answer(self, ask: Ask) -> Told:
        if ask.path not in ("/metrics", "/healthz", "/readyz"):
            return Told(404, {"error": "only /metrics, /healthz and /readyz are here"})
        if ask.method not in ("GET", "HEAD"):
            return Told(405, {"error": "only GET"}, headers={"allow": "GET, HEAD"})
        if ask.path == "/healthz":
            return Told(200, {"status": "ok"})
        if ask.path == "/metrics":
            return Told(200, await self._exposition(), METRICS_TYPE)
        return await self._ready()

    async def _ready(self) -> Told:
        state = self._supervisor.describe()
        health = await self._supervisor.health()
        ready = len(health) == state["workers"]["wanted"] and not self._supervisor.draining
        state["audit"] = "ok" if all(h["audit"] for h in health.values()) else "failing"
        state["store"] = _store_of(list(health.values()))
        state["status"] = "ready" if ready else "not ready"
        if ready and state["policy_problems"]:
            state["status"] = "ready, with the policy from before"
        elif ready and state.get("tls_problems"):
            state["status"] = "ready, with the certificate from before"
        return Told(200 if ready else 503, state)


def _store_of(health: Sequence[dict[str, Any]]) -> str:
    """`ok`, or since when the first of how many workers has had no answer. It is no reason not to
    be ready: what calls may do meanwhile the rules say, and every gateway would be away at once."""
    away = sorted(each["store"] for each in health if each["store"] != "ok")
    return f"{away[0]} ({len(away)} of {len(health)} workers)" if away else "ok"
