"""What could not be delivered is kept, bounded, and given out once without being lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.telemetry import dead_letters
from gateway.telemetry.dead_letters import DeadLetters, Letter
from gateway.telemetry.notice_formats import Notice


def letter(number: int) -> Letter:
    notice = Notice(f"ntc_{number}", "test", "2026-11-21T09:30:00.000Z", "text", {"a": "b"})
    return Letter("ops", "status 503", notice)


def test_letters_are_kept_in_order_for_nobody_else_to_read(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    assert letters.read() == []
    assert all(letters.keep(letter(number)) for number in range(3))
    assert letters.read() == [letter(0), letter(1), letter(2)]
    assert letters.path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_full_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LARGEST", 400)
    letters = DeadLetters(tmp_path)
    kept = [letters.keep(letter(number)) for number in range(5)]
    assert kept == [True, True, False, False, False]
    assert letters.path.stat().st_size <= 400


def test_taken_letters_are_given_again_until_they_are_done_with(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    letters.keep(letter(1))
    assert letters.take() == [letter(1)]
    letters.keep(letter(2))  # the gateway goes on meanwhile
    assert letters.read() == [letter(1), letter(2)]
    assert DeadLetters(tmp_path).take() == [letter(1)]
    letters.taken()
    assert letters.take() == [letter(2)]


def test_what_finds_no_room_when_it_is_put_back_is_given_again(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    for number in range(3):
        letters.keep(letter(number))
    given = letters.take()
    letters.taken(given[1:])
    assert letters.take() == [letter(1), letter(2)]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_half_a_line_hides_no_other(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path)
    letters.keep(letter(1))
    with letters.path.open("ab") as file:
        file.write(b'{"webhook": "ops", "noti\n')
    letters.keep(letter(2))
    assert letters.read() == [letter(1), letter(2)]


def test_nothing_to_take_is_nothing(tmp_path: Path) -> None:
    assert DeadLetters(tmp_path).take() == []
