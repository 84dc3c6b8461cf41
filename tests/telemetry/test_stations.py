"""Marks to durations."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.stations import STATIONS, durations, time_to_first_byte, total


def _running(steps):
    at, marks = 0, [("accept", 0)]
    for name, spent in steps:
        at += spent
        marks.append((name, at))
    return marks


marks_lists = st.lists(
    st.tuples(st.sampled_from([*STATIONS, "first_byte"]), st.integers(0, 10**6)), max_size=20
).map(_running)


def test_a_station_takes_from_the_mark_before_it():
    marks = [("accept", 100), ("identify", 130), ("rules", 200)]
    assert durations(marks) == {"identify": 30, "rules": 70}
    assert total(marks) == 100


def test_a_station_left_twice_counts_both_times():
    marks = [("accept", 0), ("rules", 5), ("upstream", 9), ("rules", 10)]
    assert durations(marks) == {"rules": 6, "upstream": 4}


def test_first_byte_is_a_moment_inside_a_station():
    marks = [("accept", 10), ("first_byte", 40), ("answer", 60)]
    assert durations(marks) == {"answer": 50}
    assert time_to_first_byte(marks) == 30


def test_nothing_was_marked():
    assert durations([]) == {}
    assert total([]) == 0
    assert time_to_first_byte([]) is None


@given(marks=marks_lists)
def test_stations_add_up_to_the_total(marks):
    last = max((at for name, at in marks if name != "first_byte"), default=0)
    assert sum(durations(marks).values()) == last - marks[0][1]
