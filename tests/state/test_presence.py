"""A store's absence is known, with its time, and told once to whoever watches."""

from __future__ import annotations

import pytest

from gateway.state.presence import Presence
from tests.state.conformance import START, Clock


def test_every_change_is_told_once_with_the_time_of_the_first_failure() -> None:
    clock, told = Clock(), list[bool]()
    presence = Presence(clock)
    presence.watch(told.append)
    presence.found()
    assert (presence.away_since, told) == (None, [])
    presence.lost()
    clock.now += 5
    presence.lost()
    assert (presence.away_since, told) == (START, [True])
    presence.found()
    presence.found()
    assert (presence.away_since, told) == (None, [True, False])


def test_a_watcher_that_fails_keeps_nobody_else_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(away: bool) -> None:
        raise RuntimeError("no")

    told: list[bool] = []
    presence = Presence(Clock())
    presence.watch(broken)
    presence.watch(told.append)
    presence.lost()
    assert told == [True]
    assert "a watcher of the state store failed" in caplog.text
