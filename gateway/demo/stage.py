"""The demo's stage: a real gateway in a folder of its own, and a scripted provider behind it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.demo.scenes import Outcome, Scene
from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider, Seen

WAITING = ("upstream", "answer")
"""Stations of the record in which the gateway waits for the provider."""


@dataclass(frozen=True, slots=True)
class Played:
    """A scene that was played.

    Attributes:
        received: what the provider received, "" where the call never reached it; `answered` what
            it said to that, where the scene gives it something to say.
        retries: how often the SDK made a call again that the gateway had stopped.
        record: the audit record of the last call.
        milliseconds: the gateway's own work on that call, and the whole of it as the agent saw it.
        problems: what is not as the scene wants it.
    """

    scene: Scene
    outcome: Outcome
    received: str
    answered: str
    retries: int
    record: dict[str, Any]
    milliseconds: tuple[float, float]
    problems: list[str]


class Stage:
    """Use as a context manager; `start` it, `play` scenes on it, then look at its audit log."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self._keys = {scene.kind: new_key() for scene in scenes}
        self._folder = tempfile.TemporaryDirectory(prefix="portcullis-demo-")
        self._say = Say()
        self.provider = FakeProvider(lambda seen: self._say)

    def __enter__(self) -> Stage:
        self.provider.start()
        self.gateway = RunningGateway(Path(self._folder.name), self._policy())
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop()
        self.provider.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start the gateway. Raises RuntimeError where it does not."""
        self.gateway.start()

    def play(self, scene: Scene) -> Played:
        """One scene, through the official SDK as it is.

        Of a tunnel that is refused, clients show the status line and no id: its record is the last.
        """
        from openai import DefaultHttpxClient, OpenAI

        before = len(self.provider.seen)
        ids: list[str] = []
        self._say = scene.say
        client = OpenAI(
            base_url=f"{self.gateway.base}/v1",
            api_key=self._keys[scene.kind],
            http_client=DefaultHttpxClient(
                event_hooks={"response": [lambda r: ids.append(r.headers["x-portcullis-id"])]}
            ),
        )
        begun = time.perf_counter()
        outcome = scene.play(client)
        spent = (time.perf_counter() - begun) * 1000 / max(1, len(ids))
        client.close()
        seen = self.provider.seen[before:]
        record = self.gateway.record(ids[-1] if ids else self._last_id())
        reached = bool(ids) and len(seen) == len(ids)
        return Played(
            scene,
            outcome,
            _received(seen[-1]) if reached else _before(seen),
            _said(scene.say) if reached and scene.say != Say() else "",
            max(0, len(ids) - len(seen) - 1),
            record,
            (_own_work(record), spent),
            _check(scene, outcome, record, seen, len(ids)),
        )

    def _last_id(self) -> str:
        """Of the call that was recorded last."""
        return next((r["id"] for r in reversed(self.gateway.records()) if "id" in r), "")

    def _policy(self) -> dict[str, Any]:
        """One policy with a rule for each scene, and a tenant a scene, so that none is in the
        way of another."""
        return {
            "version": 1,
            "forward_proxy": {},
            "upstreams": {
                "openai": {
                    "provider": "openai",
                    "url": self.provider.url,
                    "credential": "sk-of-the-operator",
                }
            },
            "tenants": {
                scene.kind: {
                    "keys": [{"name": "agent", "hash": hash_of(self._keys[scene.kind])}],
                    "policies": ["demo"],
                }
                for scene in self._scenes
            },
            "policies": {
                "demo": {
                    "rules": [
                        {**scene.rule, "when": {"tenant": [scene.kind]}} for scene in self._scenes
                    ]
                }
            },
        }


def _received(seen: Seen) -> str:
    """What the provider received last, in short."""
    body = seen.json or {}
    content = [m.get("content") for m in body.get("messages", ()) if m.get("content")]
    tools = [tool["function"]["name"] for tool in body.get("tools", ())]
    return "\n".join([*map(str, content[-1:]), *([f"tools: {', '.join(tools)}"] if tools else [])])


def _before(seen: Sequence[Seen]) -> str:
    return f"{len(seen)} calls before, not this one" if seen else ""


def _said(say: Say) -> str:
    calls = [f"calls {tool.name}({tool.arguments})" for tool in say.tools]
    return "\n".join(filter(None, [say.text, *calls]))


def _own_work(record: dict[str, Any]) -> float:
    """Milliseconds that the gateway itself worked on a call."""
    micros: dict[str, int] = record.get("micros", {})
    return (micros.get("total", 0) - sum(micros.get(name, 0) for name in WAITING)) / 1000


def _check(
    scene: Scene, outcome: Outcome, record: dict[str, Any], seen: Sequence[Seen], calls: int
) -> list[str]:
    """What is not as the scene wants it."""
    texts = {
        "provider": b"\n".join(one.body for one in seen).decode(errors="replace"),
        "agent": "\n".join([outcome.saw, outcome.error, outcome.message]),
    }
    problems = []
    for where, text in scene.wants:
        who, _, has = where.partition(" ")
        if (text in texts[who]) != (has == "has"):
            problems.append(f"the {who} {'lacks' if has == 'has' else 'has'} {text!r}")
    reasons = [verdict.get("reason") for verdict in record.get("verdicts", ())]
    if scene.reason not in reasons:
        problems.append(f"expected the reason {scene.reason}, the record has {reasons}")
    if calls > len(seen) + 1:
        problems.append("the SDK retried what was stopped")
    return problems
