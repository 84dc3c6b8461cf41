"""`portcullis` finds its commands, imports only the one that is asked for, and ends in order."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.cli import main as cli
from gateway.cli import schema

FOLDER = Path(cli.__file__).parent


def test_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, what in cli.COMMANDS.items():
        assert f"{name} {what}" in text


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_a_command_has_a_module_that_says_the_same_of_it(name: str) -> None:
    assert (FOLDER / f"{name}.py").exists()
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"gateway.cli.{name}").add_parser(commands)
    [described] = [choice.help for choice in commands._choices_actions]
    assert described == cli.COMMANDS[name]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"portcullis {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["schema", "--nonsense"]])
def test_what_cannot_be_understood_gives_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: portcullis" in capsys.readouterr().err


@pytest.mark.parametrize(("raised", "code"), [(BrokenPipeError, 0), (KeyboardInterrupt, 130)])
def test_a_closed_pipe_and_ctrl_c_leave_no_traceback(
    raised: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise raised

    monkeypatch.setattr(schema, "run", fail)
    monkeypatch.setattr(sys, "stderr", open("/dev/null", "w"))  # noqa: SIM115,PTH123
    assert cli.main(["schema"]) == code


def test_help_imports_none_of_the_heavy_parts() -> None:
    """It answers at once: nothing of the data path is loaded for it."""
    script = (
        "import sys\nfrom gateway.cli.main import main\n"
        "try:\n main(['--help'])\nexcept SystemExit: pass\n"
        "print([n for n in ('aiohttp', 'presidio_analyzer', 'openai', 'pydantic') "
        "if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
