"""`portcullis rollback`: pins an earlier version, and ends that again."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli import rollback
from gateway.config.versions import Versions

FIRST, SECOND = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32


def run(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    rollback.add_parser(parser.add_subparsers())
    args = parser.parse_args(["rollback", "--folder", str(folder), *words])
    code: int = args.func(args)
    return code


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    versions = Versions(tmp_path)
    for at, digest in enumerate((FIRST, SECOND)):
        versions.serve(digest, {"p": b"%d" % at}, {"p": b"1"}, float(at))
    return versions


def test_the_version_before_is_pinned(
    tmp_path: Path, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    assert f"pinned {FIRST}" in capsys.readouterr().out
    assert versions.choose({"p": b"1"}) == ({"p": b"0"}, FIRST)


def test_a_version_may_be_named_by_how_it_begins(tmp_path: Path, versions: Versions) -> None:
    assert run(tmp_path, "cdcd") == 0
    pin = versions.pinned()
    assert pin is not None
    assert pin.digest == SECOND


def test_a_pin_can_be_ended(
    tmp_path: Path, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--unpin") == 0
    assert "no version was pinned" in capsys.readouterr().out
    run(tmp_path)
    assert run(tmp_path, "--unpin") == 0
    assert versions.pinned() is None


def test_versions_are_listed_newest_first(
    tmp_path: Path, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.pin(FIRST)
    assert run(tmp_path, "--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{SECOND}  since 1970-01-01 00:00:01Z  served",
        f"{FIRST}  since 1970-01-01 00:00:00Z  pinned",
    ]


@pytest.mark.parametrize("words", [[], ["--list"], ["abc"]])
def test_without_versions_there_is_nothing_to_return_to(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, *words) == 2
