"""`portcullis demo` plays everything in a pipe, and says by its exit code whether all went well."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from gateway.cli import demo
from gateway.cli.main import main
from gateway.demo.scenes import SCENES
from gateway.policy.kinds import KINDS

MODEL = next(scene for scene in SCENES if scene.kind == "model")


def test_it_plays_every_kind_and_proves_its_log() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"], capture_output=True, text=True, check=False
    )
    text = done.stdout
    assert done.returncode == 0, text + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in text
    for kind in KINDS:
        assert f"\n{kind}: " in text
    assert text.count("The provider received:") == len(KINDS)
    assert text.count("Verdict:") == len(KINDS)
    assert " calls cost $0.00" in text
    assert "calls cost $0.000000" not in text
    assert "unchanged" in text
    edited = next(line for line in text.splitlines() if "somebody edits" in line)
    number = edited.split("line ")[1].split(" ")[0]
    assert f".jsonl:{number} (record" in text.rpartition("TAMPERED")[2]
    assert "Everything went as promised" in text


def test_a_scene_that_goes_wrong_gives_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SCENES", (replace(MODEL, reason="pii_found"),))
    assert main(["demo"]) == 1
    text = capsys.readouterr().out
    assert "FAILED: expected the reason pii_found" in text
    assert "FAILED: 1 of them went wrong." in text


def test_one_kind_can_be_played_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--only", "model"]) == 0
    text = capsys.readouterr().out
    assert "model: " in text
    assert "secrets: " not in text


def test_a_kind_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--only", "modle"]) == 2
    assert "there are" in capsys.readouterr().out


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert main(["demo"]) == 2
    assert "pip install 'portcullis-gateway[demo]'" in capsys.readouterr().out
