"""A process of ours runs our code, and no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.own_process import path_flags


def test_no_file_of_the_working_folder_is_run_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "somewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["/usr/lib/python3"])
    assert path_flags() == ["-P"]
    monkeypatch.setattr(sys, "path", [str(folder), "/usr/lib/python3"])
    assert path_flags() == []
    folder.rmdir()
    assert path_flags() == ["-P"]
