"""The windows of budgets: which one a moment is in, and when that ends. All in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Window = Literal["session", "hour", "day", "month", "total"]

_HOUR = 3600
_DAY = 86400
GRACE = 7 * _DAY
"""Seconds for which the counter of a window that is over is kept, for late settlements and for
showing it. A session's counter is kept this long after its last call."""


@dataclass(frozen=True, slots=True)
class Span:
    """One window. `name` is the same for all moments in it and for no other.

    `ends` is unix seconds, None: it does not end by the calendar. `forget` is when its counter
    may go, None: never.
    """

    name: str
    ends: int | None
    forget: int | None


def span_of(window: Window, now: float) -> Span:
    """The window that `now` (unix seconds) is in."""
    moment = int(now)
    if window == "hour":
        return _fixed("hour", moment, _HOUR)
    if window == "day":
        return _fixed("day", moment, _DAY)
    if window == "month":
        date = datetime.fromtimestamp(moment, UTC)
        year, month = (date.year + 1, 1) if date.month == 12 else (date.year, date.month + 1)
        ends = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        return Span(f"month-{date.year}-{date.month:02}", ends, ends + GRACE)
    if window == "session":
        return Span("session", None, moment + GRACE)
    return Span("total", None, None)


def _fixed(name: str, moment: int, length: int) -> Span:
    number = moment // length
    ends = (number + 1) * length
    return Span(f"{name}-{number}", ends, ends + GRACE)


def in_words(unix: int) -> str:
    """`2026-11-21 00:00 UTC`."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")
