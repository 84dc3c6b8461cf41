"""What was said is known for a while, and not without bound."""

from __future__ import annotations

from gateway.policy.told import MOST, Told


def test_what_was_said_is_known_until_its_time_is_over() -> None:
    told = Told()
    told.note("a", 10.0)
    assert told.knows("a", 9.9)
    assert not told.knows("a", 10.0)
    assert not told.knows("b", 1.0)


def test_the_oldest_makes_room() -> None:
    told = Told()
    for number in range(MOST + 1):
        told.note(str(number), 10.0)
        told.note(str(number), 11.0)
    assert not told.knows("0", 1.0)
    assert told.knows("1", 1.0)
    assert told.knows(str(MOST), 10.5)
