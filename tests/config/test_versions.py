"""Kept versions of the policy, and the pin of a rollback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.versions import Versions, fingerprint
from gateway.errors import ConfigError


def digest(number: int) -> str:
    return "sha256:" + f"{number:064x}"


def texts(number: int) -> dict[str, bytes]:
    return {"p.yaml": b"version: %d" % number}


def serve(versions: Versions, number: int) -> None:
    versions.serve(digest(number), texts(number), texts(number), float(number))


def test_versions_are_kept_in_order_up_to_a_number(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=3)
    for number in range(6):
        serve(versions, number)
    assert [v.digest for v in versions.history()] == [digest(n) for n in (3, 4, 5)]
    assert versions.current() == digest(5)
    assert versions.previous() == digest(4)
    assert len(list((tmp_path / "policy").iterdir())) == 4  # three versions and the index


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    serve(versions, 1)
    versions.pin(digest(1))
    for each in (tmp_path / "policy").iterdir():
        assert each.stat().st_mode & 0o777 == 0o600


def test_serving_an_older_text_again_makes_it_the_newest(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    for number in (1, 2, 1):
        serve(versions, number)
    assert [v.digest for v in versions.history()] == [digest(2), digest(1)]
    assert versions.previous() == digest(2)


def test_a_pin_is_served_until_the_files_change(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    serve(versions, 1)
    serve(versions, 2)
    versions.pin(digest(1))
    assert versions.choose(texts(2)) == (texts(1), digest(1))
    assert versions.choose(texts(3)) == (texts(3), "")
    assert versions.pinned() is None
    assert versions.choose(texts(2)) == (texts(2), "")


def test_rolling_back_twice_goes_back_two_versions(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    for number in (1, 2, 3):
        serve(versions, number)
    for expected in (2, 1):
        previous = versions.previous()
        assert previous == digest(expected)
        versions.pin(previous)
        chosen, pinned = versions.choose(texts(3))
        versions.serve(pinned, chosen, texts(3), 9.0)
        assert versions.current() == digest(expected)
    assert versions.previous() is None
    assert len(versions.history()) == 3


def test_a_version_is_found_by_how_it_begins(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    first, second = "sha256:" + "ab" * 32, "sha256:" + "ac" * 32
    for each in (first, second):
        versions.serve(each, {}, {}, 0.0)
    assert versions.find("ab") == versions.find("sha256:abab") == first
    assert versions.find("a") is None
    assert versions.find("ff") is None


def test_what_was_never_kept_cannot_be_pinned(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not kept"):
        Versions(tmp_path).pin(digest(1))
    with pytest.raises(ConfigError, match="no policy version"):
        Versions(tmp_path).pin("../../etc/passwd")


def test_an_empty_or_damaged_folder_is_no_history(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    assert versions.history() == []
    assert versions.current() is versions.previous() is versions.pinned() is None
    (tmp_path / "policy").mkdir()
    for name in ("index.json", "pin.json"):
        (tmp_path / "policy" / name).write_text("[1,")
    assert versions.current() is versions.pinned() is None
    assert versions.choose(texts(1)) == (texts(1), "")


@given(
    st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=3),
)
def test_a_fingerprint_differs_where_anything_does(one, other) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_a_pin_made_while_the_files_cannot_be_used_holds_against_these(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.note_source(texts(9))  # nothing was ever served: nothing to return to
    assert versions.history() == []
    serve(versions, 1)
    serve(versions, 2)
    versions.note_source(texts(3))
    versions.pin(digest(1))
    assert versions.choose(texts(3)) == (texts(1), digest(1))
    assert versions.choose(texts(2)) == (texts(2), "")
