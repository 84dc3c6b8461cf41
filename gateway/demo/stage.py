"""The demo's stage: a real gateway in a folder of its own, and a scripted provider behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.demo.scenes import Outcome, Scene
from gateway.identity.gateway_key import hash_of, new_key
from gateway.testing_answers import Say
from gateway.testing_upstream import FakeProvider, Seen

START_TIMEOUT = 30.0


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
        self._scenes = scenes
        self._keys = {scene.kind: new_key() for scene in scenes}
        self._folder = tempfile.TemporaryDirectory(prefix="portcullis-demo-")
        self.folder = Path(self._folder.name)
        self.audit = self.folder / "audit"
        self.state = f"sqlite:///{self.folder / 'state.db'}"
        self.provider = FakeProvider(self._answer)
        self._say = Say()
        self._process: subprocess.Popen[str] | None = None
        self.base = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the gateway's own commands need to find this stage's log."""
        return {
            **os.environ,
            "XDG_STATE_HOME": str(self.folder),
            "PORTCULLIS_MASTER_KEY_FILE": str(self.folder / "master.key"),
        }

    def __enter__(self) -> Stage:
        self.provider.start()
        policy = self.folder / "policy.json"  # JSON is YAML
        policy.write_text(json.dumps(self._policy()))
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gateway", "serve", "--policies", str(policy)),
                *("--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--admin", "off"),
                *("--state", self.state, "--audit", str(self.audit)),
            ],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "gateway.log").open("w"),
            text=True,
            env=self.environment,
        )
        self.base = self._first_line().split("http://")[1].split()[0]
        return self

    def _first_line(self) -> str:
        """The gateway's first line. Raises RuntimeError with its log where none comes."""
        assert self._process is not None and self._process.stdout is not None
        timer = threading.Timer(START_TIMEOUT, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if "http://" not in line:
            raise RuntimeError((self.folder / "gateway.log").read_text()[-2000:])
        return line

    def stop_gateway(self) -> None:
        """End the gateway in order, so that its log is complete."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)

    def __exit__(self, *_: object) -> None:
        self.stop_gateway()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self.provider.stop()
        self._folder.cleanup()

    def play(self, scene: Scene) -> Played:
        """One scene, through the official SDK."""
        from openai import DefaultHttpxClient, OpenAI

        before = len(self.provider.seen)
        ids: list[str] = []
        self._say = scene.say
        client = OpenAI(
            base_url=f"http://{self.base}/v1",
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
        record = self.record(ids[-1]) if ids else {}
        received = _received(seen[-1]) if len(seen) == len(ids) else ""
        if not received and seen:
            received = f"{len(seen)} calls before, and not this one"
        return Played(
            scene, outcome, received, record, seconds, _check(scene, outcome, record, seen)
        )

    def record(self, exchange: str) -> dict[str, Any]:
        """The audit log's last line on an exchange."""
        return next((r for r in reversed(self.records()) if r.get("id") == exchange), {})

    def records(self) -> list[dict[str, Any]]:
        """Every whole line of the audit log."""
        lines = [
            line
            for path in sorted(self.audit.glob("*.jsonl"))
            for line in path.read_bytes().split(b"\n")
        ]
        return [json.loads(line) for line in lines if line.endswith(b"}")]

    def _answer(self, seen: Seen) -> Say:
        return self._say

    def _policy(self) -> dict[str, Any]:
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
                for scene in self._scenes
            },
            "policies": {scene.kind: {"rules": [scene.rule]} for scene in self._scenes},
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
