"""Windows of budgets: their edges are those of the zone's clocks, and their names never meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.policy.budget_window import GRACE, Window, Windows, ZoneField, duration_in_words

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
ZONES += ["America/Havana", "Africa/Cairo", "America/Asuncion", "Pacific/Apia"]


def unix(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("window", "now", "ends"),
    [
        ("hour", "2026-11-21T05:59:59.999", "2026-11-21T06:00"),
        ("day", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("week", "2026-11-22T23:59", "2026-11-23T00:00"),  # a Sunday
        ("week", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("month", "2026-11-30T23:59:59", "2026-12-01T00:00"),
        ("month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "2028-02-29T12:00", "2028-03-01T00:00"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_a_window_ends_where_the_zone_s_calendar_says(
    zone: str, window: Window, now: str, ends: str
) -> None:
    assert Windows(window, zone).at(unix(now, zone)).ends == unix(ends, zone)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_its_clocks_make_it(day: str, hours: int) -> None:
    span = Windows("day", "Europe/Berlin").at(unix(f"{day}T12:00", "Europe/Berlin"))
    assert span.starts is not None
    assert span.ends is not None
    assert span.ends - span.starts == hours * 3600


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    first = unix("2026-10-25T02:30", "Europe/Berlin")
    windows = Windows("hour", "Europe/Berlin")
    assert windows.at(first).name != windows.at(first + 3600).name
    assert windows.at(first).ends == windows.at(first + 3600).starts


@given(
    moment=MOMENTS,
    window=st.sampled_from(["hour", "day", "week", "month"]),
    zone=st.sampled_from(ZONES),
)
def test_the_name_changes_at_the_end_and_not_before(
    moment: datetime, window: Window, zone: str
) -> None:
    windows = Windows(window, zone)
    span = windows.at(moment.timestamp())
    assert span.starts is not None
    assert span.ends is not None
    assert span.starts <= moment.timestamp() < span.ends
    assert windows.at(span.starts) == span
    assert Windows(window, zone).at(span.starts) == span
    if zone != "Australia/Lord_Howe" or window != "hour":  # its clocks are set by half an hour
        assert Windows(window, zone).at(span.ends - 1) == span
    assert windows.at(span.ends).name != span.name
    assert span.forget == span.ends + GRACE


def test_a_window_is_found_again_after_another_was_asked_for() -> None:
    windows = Windows("day", "Europe/Berlin")
    now = unix("2026-11-21T12:00")
    today = windows.at(now)
    assert windows.at(now + timedelta(days=1).total_seconds()) != today
    assert windows.at(now) == today


def test_another_zone_is_another_window() -> None:
    now = unix("2026-11-21T12:00")
    names = {Windows("day", zone).at(now).name for zone in ("UTC", "Europe/Paris", "Europe/Berlin")}
    assert len(names) == 3


def test_sessions_and_totals_do_not_end_by_the_calendar() -> None:
    assert Windows("total").at(5.0) == Windows("total").at(1e9)
    session = Windows("session").at(1e9)
    assert (session.name, session.ends, session.forget) == ("session", None, 10**9 + GRACE)


def test_a_rolling_window_has_no_edges() -> None:
    span = Windows("total", rolling=86400).at(1e9)
    assert (span.name, span.ends, span.forget) == ("rolling-86400", None, None)
    assert span == Windows("total", rolling=86400).at(2e9)


def test_words() -> None:
    moment = int(unix("2026-11-21T00:00"))
    assert Windows("day").in_words(moment) == "2026-11-21 00:00 UTC"
    assert Windows("day", "Europe/Berlin").in_words(moment) == "2026-11-21 01:00 Europe/Berlin"
    said = [duration_in_words(each) for each in (0.2, 40, 100, 3599, 7201, 86400, 200000)]
    assert said == ["1 s", "40 s", "2 min", "60 min", "3 h", "24 h", "3 days"]


@pytest.mark.parametrize("name", ["Europe/Berln", "CET+1", "../etc/passwd", "Europe", ""])
def test_what_is_no_zone_is_an_error_that_says_what_would_be(name: str) -> None:
    with pytest.raises(ValidationError, match='such as "Europe/Berlin"') as caught:
        TypeAdapter(ZoneField).validate_python(name)
    if name == "Europe/Berln":
        assert "did you mean 'Europe/Berlin'?" in str(caught.value)
