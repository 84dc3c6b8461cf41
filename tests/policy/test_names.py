"""Names compare whatever way they are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.names import Names, fold, listed, shown


@pytest.mark.parametrize(
    "trick",
    [
        "delete_database",
        "Delete_Database",
        " delete_database\n",
        "ｄｅｌｅｔｅ＿ｄａｔａｂａｓｅ",  # full width
        "delete\u200b_data\u00adbase",  # zero-width space, soft hyphen
        "d\u0435lete_datab\u0430se",  # Cyrillic e and a
        "DELETE_D\u0391T\u0391B\u0391SE",  # Greek capital alpha
        "dele\u0301te_database",  # combining accent
        "𝐝𝐞𝐥𝐞𝐭𝐞_database",  # mathematical bold
        "delete_database\x00",
    ],
)
def test_tricks_of_spelling_change_nothing(trick: str) -> None:
    assert fold(trick) == "delete_database"
    assert Names(["delete_*"]).has(trick)
    assert Names(["DELETE_database"]).has(trick)


def test_other_names_stay_other_names() -> None:
    names = Names(["delete_database", "shell_*", "get_?"])
    assert names.has("shell_exec")
    assert names.has("get_x")
    assert not names.has("delete_databases")
    assert not names.has("get_xy")
    assert not names.has("")
    assert not Names([]).has("")


def test_what_was_asked_is_remembered_within_bounds() -> None:
    names = Names(["a*"])
    for number in range(5000):
        assert names.has(f"a{number}")
        assert not names.has(f"b{number}")
    assert len(names._known) <= 1024


def test_names_in_sentences_are_short_and_plain() -> None:
    assert shown("ok_name") == "ok_name"
    assert shown("a\r\nx-evil: 1") == "a??x-evil: 1"
    assert len(shown("n" * 500)) == 64
    assert listed(["a", "b", "a"]) == "a, b"
    assert listed([str(n) for n in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


@given(st.text(max_size=40))
def test_folding_is_stable_and_shown_names_are_header_safe(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert shown(text).isascii()
    assert shown(text).isprintable() or shown(text) == ""
