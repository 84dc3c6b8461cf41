"""Globs match whole names, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.globs import compile_globs, glob_error, is_glob


@pytest.mark.parametrize(
    ("globs", "name", "matches"),
    [
        (["gpt-*"], "gpt-4o", True),
        (["gpt-*"], "my-gpt-4o", False),
        (["shell_?"], "shell_1", True),
        (["shell_?"], "shell_12", False),
        (["[ab]x"], "bx", True),
        (["a.c"], "abc", False),
        (["delete_database", "drop_*"], "delete_database", True),
        (["delete_database", "drop_*"], "delete_database2", False),
        (["Read"], "read", False),
        (["*"], "", True),
        (["*"], "two\nlines", True),
        ([], "x", False),
    ],
)
def test_globs(globs: list[str], name: str, matches: bool) -> None:
    assert compile_globs(globs)(name) is matches


def test_half_a_bracket_and_nothing_are_errors() -> None:
    assert "bracket" in str(glob_error("gpt-[45"))
    assert glob_error("") is not None
    assert glob_error("gpt-[45]*") is None


@given(st.text().filter(lambda text: not is_glob(text)), st.text())
def test_a_plain_name_matches_only_itself(name: str, other: str) -> None:
    matches = compile_globs([name, "never-*"])
    assert matches(name)
    assert matches(other) == (other == name or other.startswith("never-"))
