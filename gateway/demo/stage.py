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


@dataclass(slots=True)
class Played:
    """A scene that was played: what each of the three saw, and how long the call took."""

    scene: Scene
    outcome: Outcome
    received: str
    record: dict[str, Any]
    seconds: float
    problems: list[str]


class Stage:
    """Use as a context manager; `play` scenes on it, then look at its audit log."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._keys = {scene.kind: new_key() for scene in scenes}
        self._folder = tempfile.TemporaryDirectory(prefix="portcullis-demo-")
        self._say = Say()
        self.provider = FakeProvider(lambda seen: self._say)
        self.provider.start()
        self.gateway = RunningGateway(Path(self._folder.name), self._policy(scenes))

    def __enter__(self) -> Stage:
        self.gateway.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop()
        self.provider.stop()
        self._folder.cleanup()

    def play(self, scene: Scene) -> Played:
        """One scene, through the official SDK."""
        from openai import DefaultHttpxClient, OpenAI

        before = len(self.provider.seen)
        ids: list[str] = []
        self._say = scene.say
        client = OpenAI(
            base_url=f"{self.gateway.base}/v1",
            api_key=self._keys[scene.kind],
            max_retries=0,
            http_client=DefaultHttpxClient(
                event_hooks={"response": [lambda r: ids.append(r.headers["x-portcullis-id"])]}
            ),
        )
        begun = time.perf_counter()
        outcome = scene.play(client)
        seconds = (time.perf_counter() - begun) / max(1, len(ids))
        client.close()
        seen = self.provider.seen[before:]
        record = self.gateway.record(ids[-1]) if ids else {}
        received = _received(seen[-1]) if len(seen) == len(ids) else ""
        if not received and seen:
            received = f"{len(seen)} calls before, and not this one"
        return Played(
            scene, outcome, received, record, seconds, _check(scene, outcome, record, seen)
        )

    def _policy(self, scenes: Sequence[Scene]) -> dict[str, Any]:
        return {
            "version": 1,
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
                    "policies": [scene.kind],
                }
                for scene in scenes
            },
            "policies": {scene.kind: {"rules": [scene.rule]} for scene in scenes},
        }


def _received(seen: Seen) -> str:
    """What the provider received last, in short."""
    body = seen.json or {}
    content = [m.get("content") for m in body.get("messages", ()) if m.get("content")]
    return str(content[-1]) if content else ""


def _check(
    scene: Scene, outcome: Outcome, record: dict[str, Any], seen: Sequence[Seen]
) -> list[str]:
    """What is not as the scene wants it."""
    texts = {
        "provider": b"\n".join(one.body for one in seen).decode(errors="replace"),
        "agent": outcome.saw,
    }
    problems = []
    for where, text in scene.wants:
        who, _, has = where.partition(" ")
        if (text in texts[who]) != (has == "has"):
            problems.append(f"the {who} {'lacks' if has == 'has' else 'has'} {text!r}")
    reasons = [verdict.get("reason") for verdict in record.get("verdicts", ())]
    if scene.reason not in reasons:
        problems.append(f"expected the reason {scene.reason}, the record has {reasons}")
    return problems
