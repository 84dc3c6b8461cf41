"""The windows of budgets: which one a moment is in, and when that ends.

Calendar windows begin by the clocks of a time zone. A day there can have 23 or 25 hours; the hour
that comes twice when clocks are set back is two windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

Window = Literal["session", "hour", "day", "week", "month", "total"]
CALENDAR = frozenset({"hour", "day", "week", "month"})

_HOUR = 3600
_DAY = 86400
_UTC = "UTC"
GRACE = 7 * _DAY
"""Seconds for which the counter of a window that is over is kept, for late settlements and for
showing it. A session's counter is kept this long after its last call."""


@dataclass(frozen=True, slots=True)
class Span:
    """One window. `name` is the same for all moments in it and for no other.

    `starts` and `ends` are unix seconds, None: it does not begin or end by the calendar. `forget`
    is when its counter may go, None: never, or (a rolling window) when nothing counts any more.
    """

    name: str
    starts: int | None
    ends: int | None
    forget: int | None


class Windows:
    """All windows of one budget. Remembers the one it was asked for last.

    Args:
        rolling: seconds of a rolling window, in whose place `window` says nothing; 0: none.
        zone: by whose clocks calendar windows begin. Another one makes other names.
    """

    def __init__(self, window: Window, zone: str = _UTC, rolling: int = 0) -> None:
        self._window: Window = window
        self._zone = zone
        self._clocks: tzinfo = UTC if zone == _UTC else ZoneInfo(zone)
        self._mark = "" if zone == _UTC else f"@{zone}"
        self.rolling = rolling
        self._last = Span("", 0, 0, None)

    def at(self, now: float) -> Span:
        """The window that `now` (unix seconds) is in."""
        if self.rolling:
            return Span(f"rolling-{self.rolling}", None, None, None)
        if self._window == "session":
            return Span("session", None, None, int(now) + GRACE)
        if self._window == "total":
            return Span("total", None, None, None)
        last = self._last
        if last.starts is None or last.ends is None or not last.starts <= now < last.ends:
            last = self._last = self._found(int(now))
        return last

    def _found(self, moment: int) -> Span:
        local = datetime.fromtimestamp(moment, self._clocks)
        if self._window == "hour":
            starts = moment - (local.minute * 60 + local.second)
            return self._span(f"hour-{starts}", starts, starts + _HOUR)
        first = local.date()
        if self._window == "week":  # ISO 8601: from Monday
            first -= timedelta(days=first.weekday())
            following = first + timedelta(days=7)
        elif self._window == "month":
            first = first.replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
        else:
            following = first + timedelta(days=1)
        return self._span(
            f"{self._window}-{first}", self._midnight(first), self._midnight(following)
        )

    def _span(self, name: str, starts: int, ends: int) -> Span:
        return Span(name + self._mark, starts, ends, ends + GRACE)

    def _midnight(self, day: date) -> int:
        """When a day begins: the first moment of it, where clocks are set at midnight too."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self._clocks).timestamp())

    def in_words(self, unix: int) -> str:
        """`2026-11-21 00:00 UTC`, `2026-11-21 00:00 Europe/Berlin`."""
        return f"{datetime.fromtimestamp(unix, self._clocks):%Y-%m-%d %H:%M} {self._zone}"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # not found, a folder, a path
        known = available_timezones()
        folded = {each.lower(): each for each in known}
        close = get_close_matches(name.lower(), folded, n=1)
        hint = f"; did you mean {folded[close[0]]!r}?" if close else ""
        raise ValueError(
            f'expected the name of a time zone, such as "Europe/Berlin", not {name!r}{hint}'
        ) from error
    return name


ZoneField = Annotated[str, AfterValidator(_known_zone)]
"""A name of the IANA time zone database: `UTC`, `Europe/Berlin`."""


def duration_in_words(seconds: float) -> str:
    """A wait, rounded up: `40 s`, `5 min`, `3 h`, `2 days`."""
    for size, name in ((_DAY, "days"), (_HOUR, "h"), (60, "min")):
        if seconds > 2 * size or (size == 60 and seconds > 90):
            return f"{-int(-seconds // size)} {name}"
    return f"{max(1, -int(-seconds // 1))} s"
