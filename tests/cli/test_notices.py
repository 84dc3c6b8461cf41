"""`portcullis notices`: try webhooks out, see and resend what lies undelivered."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.telemetry import dead_letters
from gateway.telemetry.dead_letters import DeadLetters, Letter
from gateway.telemetry.notice_formats import Notice


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook on loopback that answers with `status` and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.status = 200
        self.got: list[tuple[dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Post(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Run:
    policy = tmp_path / "policy.yaml"
    hook = {"name": "ops", "url": "${HOOK}", "secret": "a secret of many letters"}
    policy.write_text(
        json.dumps(
            {
                "version": 1,
                "upstreams": {"openai": {"provider": "openai", "url": "http://127.0.0.1:9"}},
                "tenants": {"local": {"policies": ["base"]}},
                "policies": {"base": {"rules": []}},
                "notices": {"webhooks": [hook, {**hook, "name": "team", "format": "slack"}]},
            }
        )
    )
    monkeypatch.setenv("HOOK", receiver.url)

    def call(action: str, *options: str) -> int:
        given = ["--policies", str(policy)] if action != "list" else []
        given += ["--folder", str(tmp_path)] if action != "test" else []
        return main(["notices", action, *given, *options])

    return call


def keep(folder: Path, *webhooks: str) -> DeadLetters:
    letters = DeadLetters(folder)
    for name in webhooks:
        notice = Notice(f"ntc_{name}", "loop_detected", "2026-11-21T09:30:00.000Z", "Rule a/b ...")
        letters.keep(Letter(name, "status 503", notice))
    return letters


def test_a_test_notice_goes_to_every_webhook(
    run: Run, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("test") == 0
    assert capsys.readouterr().out == "ops: delivered\nteam: delivered\n"
    (headers, plain), (_, slack) = receiver.got
    assert plain["event"] == "test"
    assert headers["webhook-signature"].startswith("v1,")
    assert "blocks" in slack


def test_a_webhook_that_refuses_is_exit_1_and_named(
    run: Run, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 403
    assert run("test", "--webhook", "ops") == 1
    assert capsys.readouterr().err == "ops: status 403\n"


def test_what_is_undelivered_is_listed_with_why(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    keep(tmp_path, "ops")
    assert run("list") == 1
    assert "ops  loop_detected  status 503" in capsys.readouterr().out


def test_what_is_resent_is_gone_and_what_fails_stays(
    run: Run, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = keep(tmp_path, "ops", "team", "gone")
    assert run("resend", "--webhook", "ops") == 1
    assert [body["id"] for _, body in receiver.got] == ["ntc_ops"]
    assert [letter.webhook for letter in letters.read()] == ["team", "gone"]
    receiver.status = 500
    assert run("resend") == 1
    assert [letter.why for letter in letters.read()] == ["status 500", "status 503"]
    receiver.status = 200
    assert run("resend", "--webhook", "team") == 1
    assert "1 sent, 1 kept" in capsys.readouterr().out


def test_what_fails_and_finds_the_file_full_is_not_lost(
    run: Run, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = keep(tmp_path, "ops", "team")
    monkeypatch.setattr(dead_letters, "LARGEST", 10)
    receiver.status = 500
    assert run("resend") == 1
    assert [letter.webhook for letter in letters.read()] == ["ops", "team"]


@pytest.mark.parametrize("options", [["--webhook", "nobody"], ["--policies", "/nowhere.yaml"]])
def test_what_cannot_be_tried_is_exit_2(run: Run, options: list[str]) -> None:
    assert run("test", *options) == 2
