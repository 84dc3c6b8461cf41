"""The highest value of late."""

from gateway.telemetry.peaks import MOST, SLOT, Peaks

A, B = ("a",), ("b",)


def test_the_highest_value_is_shown_for_one_to_two_slots() -> None:
    peaks = Peaks()
    for value in (0.2, 0.9, 0.4):
        peaks.note(A, value, 10 * SLOT)
    assert peaks.shown(10 * SLOT) == {A: 0.9}
    assert peaks.shown(12 * SLOT - 1) == {A: 0.9}
    assert peaks.shown(12 * SLOT) == {}


def test_a_lower_value_of_the_next_slot_shows_when_the_higher_one_is_old() -> None:
    peaks = Peaks()
    peaks.note(A, 0.9, SLOT)
    peaks.note(A, 0.1, 2 * SLOT)
    assert peaks.shown(2 * SLOT) == {A: 0.9}
    assert peaks.shown(3 * SLOT) == {A: 0.1}


def test_names_are_apart_and_bounded() -> None:
    peaks = Peaks()
    peaks.note(A, 0.5, 0)
    peaks.note(B, 0.7, 0)
    for number in range(MOST):
        peaks.note((str(number),), 1, 0)
    assert len(peaks.shown(0)) == MOST
    assert peaks.shown(0)[A] == 0.5


def test_a_call_that_began_before_the_turn_counts_as_one_of_now() -> None:
    peaks = Peaks()
    peaks.note(A, 0.5, 2 * SLOT)
    peaks.note(A, 0.8, SLOT)
    assert peaks.shown(2 * SLOT) == {A: 0.8}
