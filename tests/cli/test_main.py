"""`portcullis`: the command that was asked for is found, alone, and exit codes mean something."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from gateway import __version__
from gateway.cli import main as cli
from gateway.cli.main import COMMANDS, main


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"portcullis {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said and text.split()[0] in said for name, text in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_lives_in_the_module_of_its_name_and_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_module(f"gateway.cli.{name}").add_parser
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"portcullis {name}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["dance"], ["check", "--nonsense"]])
def test_what_is_no_command_is_told_so_without_a_traceback(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "usage: portcullis" in said
    assert "Traceback" not in said


def test_help_imports_no_command() -> None:
    """So that it is there at once: the gateway itself takes half a second to load."""
    look = (
        "import sys; from gateway.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: "
    )
    look += "print([name for name in sys.modules if 'aiohttp' in name or 'pydantic' in name])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0), (None, 7)]
)
def test_what_a_command_ends_with_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, code: int
) -> None:
    def run(args: argparse.Namespace) -> int:
        if raised is not None:
            raise raised
        return 7

    class Module:
        @staticmethod
        def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
            commands.add_parser("check").set_defaults(func=run)

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Module)
    monkeypatch.setattr(sys, "stderr", argparse.Namespace(close=lambda: None))
    assert main(["check"]) == code
