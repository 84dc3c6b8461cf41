"""The gateway checks its own audit log: what each end of the command comes to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from gateway import self_check
from gateway.self_check import SelfCheck

PROBLEM = {"trouble": "edited", "file": "a.jsonl", "line": 4, "detail": "was edited"}
REPORT = {"unchecked": ["no head"], "chains": [{"unchecked": [], "problems": [PROBLEM]}]}
COMMAND = """
import os, pathlib, sys
here = pathlib.Path(__file__).parent
print((here / "report").read_text())
(here / "seen").write_text(os.environ["PORTCULLIS_AUDIT"])
sys.exit(int(os.environ["CODE"]))
"""


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SelfCheck:
    """A check whose command is a script that ends with the code in `$CODE`."""
    (tmp_path / "report").write_text(json.dumps(REPORT))
    runs(monkeypatch, tmp_path, COMMAND)
    return SelfCheck({"audit": "/given", "state": None}, {**os.environ, "CODE": "0"})


def runs(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    script = folder / "verify.py"
    script.write_text(text)
    monkeypatch.setattr(self_check, "PROGRAM", (str(script),))


async def end_with(check: SelfCheck, code: int) -> None:
    check._environment["CODE"] = str(code)
    await check.check()


async def test_unchanged_log_is_noted_with_when(check: SelfCheck, tmp_path: Path) -> None:
    assert (check.verified_at, check.intact) == (0.0, True)
    await end_with(check, 0)
    assert check.counts == {"unchanged": 1, "changed": 0, "unchecked": 0}
    assert check.verified_at > 1.7e9
    assert (tmp_path / "seen").read_text() == "/given"  # the gateway's own setting


async def test_changed_log_shows_until_a_check_finds_it_unchanged(
    check: SelfCheck, caplog: pytest.LogCaptureFixture
) -> None:
    await end_with(check, 1)
    assert (check.intact, check.verified_at) == (False, 0.0)
    assert "audit log changed: edited: a.jsonl:4: was edited" in caplog.text
    await end_with(check, 2)
    assert not check.intact
    await end_with(check, 0)
    assert check.intact
    assert check.counts == {"unchanged": 1, "changed": 1, "unchecked": 1}


async def test_check_that_could_not_be_made_is_no_change(
    check: SelfCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    await check.check()
    assert check.counts["unchecked"] == 1
    assert (check.intact, check.verified_at) == (True, 0.0)


async def test_check_that_takes_too_long_is_ended(
    check: SelfCheck, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs(monkeypatch, tmp_path, "import time; time.sleep(60)")
    monkeypatch.setattr(self_check, "LIMIT", 0.05)
    await check.check()
    assert check.counts["unchecked"] == 1


async def test_output_that_is_no_report_is_not_shown(
    check: SelfCheck,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs(monkeypatch, tmp_path, "print('strange'); raise SystemExit(1)")
    await check.check()
    assert not check.intact
    assert "strange" not in caplog.text


async def test_it_checks_again_and_again(
    check: SelfCheck, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs(monkeypatch, tmp_path, "raise SystemExit(0)")
    for name in ("FIRST", "EVERY", "REST"):
        monkeypatch.setattr(self_check, name, 0.0)
    running = asyncio.create_task(check.run())
    while check.counts["unchanged"] < 2:
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_nothing_that_lies_in_the_working_folder_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "gateway"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import pathlib; pathlib.Path('was-run').touch()")
    monkeypatch.chdir(tmp_path)
    await SelfCheck({"audit": str(tmp_path / "audit")}, os.environ).check()
    assert not (tmp_path / "was-run").exists()
