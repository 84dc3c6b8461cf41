"""Claude Code and Codex themselves, through a gateway: what passes, what a block, a wait and a
spent budget look like to the person in front of them, and that a block is not tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.cases import CASES, COMMAND, KEY, MAIL, Case
from tests.agents.conftest import Stage
from tests.agents.programs import CLAUDE_CODE, PROGRAMS, Program

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
BY_NAME = {case.name: case for case in CASES}


@every_case
@every_program
def test_what_the_agent_does_and_its_user_reads(
    stage: Stage, program: Program, case: Case, tmp_path: Path
) -> None:
    before, known = len(stage.provider.seen), len(stage.calls(program, case))
    ran = stage.play(program, case, tmp_path)
    calls = stage.calls(program, case)[known:]

    assert ran.code == case.code_of(program.name), ran.shown
    for words in case.shows:
        assert words.replace("TOOL", program.shell("").name) in ran.shown
    statuses = [call["status"] for call in calls]
    if case.name == "short-wait":  # on a machine so slow that the next call is late, nobody waits
        assert statuses in ([200, 429, 200], [200, 200])
    else:
        assert len(calls) == case.calls, statuses
    posts = [seen for seen in stage.provider.seen[before:] if seen.method == "POST"]
    assert len(posts) == case.sent
    assert (tmp_path / "work" / "made.txt").exists() == case.made
    if case.code_of(program.name) or not case.made:  # stopped: the reference leads to the record
        assert calls[-1]["id"] in ran.shown
    if case.name == "stand-ins":  # the model was told one, and the file holds the real address
        assert (tmp_path / "work" / "made.txt").read_text() == f"{MAIL}\n"
        assert all(MAIL.encode() not in seen.body for seen in posts)
    assert stage.leash.asked == []


HISTORY = {
    "secret": b"[removed by Portcullis: secret_found]",
    "arguments": b"Portcullis took out a call of the tool",
}


@pytest.mark.parametrize("name", HISTORY)
@every_program
def test_a_session_goes_on_after_a_block(
    stage: Stage, program: Program, name: str, tmp_path: Path
) -> None:
    """The agent sends its history again: what was blocked is gone from it, the rest stands."""
    case = BY_NAME[name]
    stage.play(program, case, tmp_path)
    before, known = len(stage.provider.seen), len(stage.calls(program, case))
    ran = stage.play(program, case, tmp_path, "And now?", says="plain", goes_on=True)

    assert (ran.code, "Here I am." in ran.shown) == (0, True), ran.shown
    assert [call["status"] for call in stage.calls(program, case)[known:]] == [200]
    [got] = [seen for seen in stage.provider.seen[before:] if seen.method == "POST"]
    assert b"And now?" in got.body
    assert HISTORY[name] in got.body
    assert KEY.encode() not in got.body
    assert COMMAND.encode() not in got.body


def test_an_unknown_key_is_told_at_once(stage: Stage, tmp_path: Path) -> None:
    """Codex asks five times more in as many seconds, as after every 401: docs/agents.md says so."""
    ran = stage.play(CLAUDE_CODE, BY_NAME["allowed"], tmp_path, key="ptc_unknown1_" + "x" * 43)
    assert ran.code == 1
    assert "This gateway does not know the key" in ran.shown
