"""`portcullis serve` says in one line where it listens, and on a terminal what to try first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import serve
from gateway.cli.main import main
from gateway.config.settings import read_settings

CLEAN = {"XDG_STATE_HOME": "/nonexistent"}


def announced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> str:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    settings = read_settings({"listen": "127.0.0.1:8484"}, CLEAN)
    serve.announce(settings, "sha256:" + "ab" * 32)
    return capsys.readouterr().out


def test_in_a_pipe_it_says_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert announced(capsys, monkeypatch, terminal=False) == (
        "Portcullis listens on http://127.0.0.1:8484 with policy starter.yaml "
        "(sha256:abababababab), probes on http://127.0.0.1:9484\n"
    )


def test_on_a_terminal_it_says_what_to_try(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = announced(capsys, monkeypatch, terminal=True)
    assert "\n  export OPENAI_BASE_URL=http://127.0.0.1:8484/v1\n" in text
    assert "\n  export ANTHROPIC_BASE_URL=http://127.0.0.1:8484\n" in text
    assert "AKIAIOSFODNN7EXAMPLE" in text
    assert all(len(line) <= 80 for line in text.splitlines()[1:])


def test_the_command_that_it_names_is_one_that_the_shell_finds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    text = announced(capsys, monkeypatch, terminal=True)
    assert "Then: portcullis audit show --last" in text
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.chdir(Path(sys.executable).parents[2])
    text = announced(capsys, monkeypatch, terminal=True)
    folder = Path(sys.executable).parent
    assert f"Then: {folder.parent.name}/{folder.name}/portcullis audit show --last" in text


def test_the_call_that_it_shows_is_a_call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a shell reads it: a URL, a header and a body of JSON."""
    import json

    text = announced(capsys, monkeypatch, terminal=True)
    found = re.search(r"^  curl .*?'$", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    curl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", found[0]], capture_output=True, check=True, env=environment)
    words = done.stdout.decode().split("\0")[:-1]
    assert words[:4] == ["-s", "http://127.0.0.1:8484/v1/chat/completions", "-H", words[3]]
    assert json.loads(words[-1])["messages"][0]["role"] == "user"


def test_a_bad_setting_gives_1_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--listen", "nonsense"]) == 1
    assert "--listen" in capsys.readouterr().err


def test_a_bad_policy_gives_1_and_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\nupstreems: {}\n")
    free = ["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--admin", "off"]
    assert main(["serve", "--policies", str(file), *free]) == 1
    assert "policy.yaml:2" in capsys.readouterr().err


def test_an_address_in_use_gives_2_and_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ["--listen", address, "--probes", "127.0.0.1:0", "--admin", "off"]
        assert main(["serve", *arguments]) == 2
    assert address in capsys.readouterr().err
