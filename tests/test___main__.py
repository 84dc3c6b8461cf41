"""`python -m gateway` is `portcullis`."""

from __future__ import annotations

import subprocess
import sys

from gateway import __version__


def test_the_module_is_the_command() -> None:
    words = [sys.executable, "-m", "gateway", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"portcullis {__version__}\n")


def test_its_exit_code_is_the_commands() -> None:
    words = [sys.executable, "-m", "gateway", "check", "/nowhere/policy.yaml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
