"""Windows of budgets: their edges are UTC's, and their names never meet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.budget_window import GRACE, Window, in_words, span_of

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "now", "ends"),
    [
        ("hour", "2026-11-21T05:59:59.999", "2026-11-21T06:00"),
        ("day", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("month", "2026-11-30T23:59:59", "2026-12-01T00:00"),
        ("month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "2028-02-29T12:00", "2028-03-01T00:00"),
    ],
)
def test_a_window_ends_where_the_calendar_says(window: Window, now: str, ends: str) -> None:
    assert span_of(window, unix(now)).ends == unix(ends)


@given(moment=MOMENTS, window=st.sampled_from(["hour", "day", "month"]))
def test_the_name_changes_at_the_end_and_not_before(moment: datetime, window: Window) -> None:
    span = span_of(window, moment.timestamp())
    assert span.ends is not None
    assert span.ends > moment.timestamp() - 1
    assert span_of(window, span.ends - 1).name == span.name
    assert span_of(window, span.ends).name != span.name
    assert span.forget == span.ends + GRACE


def test_sessions_and_totals_do_not_end_by_the_calendar() -> None:
    assert span_of("total", 5.0) == span_of("total", 1e9)
    session = span_of("session", 1e9)
    assert (session.name, session.ends, session.forget) == ("session", None, 10**9 + GRACE)


def test_words() -> None:
    assert in_words(int(unix("2026-11-21T00:00"))) == "2026-11-21 00:00 UTC"
