"""Logs: one line an event on stderr, JSON for machines, plain words on a terminal.

Rules of this file:
- No content, ever. Of an exception only its type and where it was raised: its message may quote
  what could not be parsed. Of other libraries' messages only the first line of the template.
- The same event is written at most `MOST_A_SECOND` times a second; the next line says how many
  were left out.
- Nothing is queued: what was logged has been written when the call returns.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

import orjson

MOST_A_SECOND = 20
"""Lines of one event (logger, level and template) a second."""

MOST_EVENTS = 1000
"""Events whose lines are counted at a time; then the count begins anew."""

LEVEL_VARIABLE = "PORTCULLIS_LOG_LEVEL"

_OURS = ("portcullis", "gateway")
_LONGEST = 1000
_FRAMES = 12
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(stream: TextIO | None = None, level: str = "") -> None:
    """Send all logs of this process to `stream` (stderr), in the form that suits it.

    Args:
        level: `debug`, `info`, `warning` or `error` for our own events; by default that of
            `PORTCULLIS_LOG_LEVEL`, or `info`. Other libraries' come from `warning` on.
    """
    stream = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter() if stream.isatty() else JsonFormatter())
    handler.addFilter(RateBound())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    chosen = (level or os.environ.get(LEVEL_VARIABLE, "") or "info").upper()
    known = chosen in ("DEBUG", "INFO", "WARNING", "ERROR")
    for name in _OURS:
        logging.getLogger(name).setLevel(chosen if known else "INFO")


class RateBound(logging.Filter):
    """Keeps an event that repeats itself from filling the disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], list[float]] = {}  # window's begin, count

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        key = (record.name, record.levelno, str(record.msg)[:200])
        window = self._seen.get(key)
        if window is None:
            if len(self._seen) >= MOST_EVENTS:
                self._seen.clear()
            self._seen[key] = [now, 1]
            return True
        if now - window[0] >= 1:
            left_out = int(window[1]) - MOST_A_SECOND
            if left_out > 0:
                record.suppressed = left_out
            window[:] = [now, 1]
            return True
        window[1] += 1
        return window[1] <= MOST_A_SECOND


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event_of(record),
        }
        line.update(fields_of(record))
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


class PlainFormatter(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(
            f"{name}={value}"
            for name, value in fields_of(record).items()
            if value not in ("", None)
        )
        level = record.levelname.lower()
        return f"{at} {level:<7} {event_of(record)}{'  ' if fields else ''}{fields}"


def event_of(record: logging.LogRecord) -> str:
    """What happened. The arguments of other libraries' messages may be content: left out."""
    if record.name.partition(".")[0] in _OURS:
        return record.getMessage()[:_LONGEST]
    return str(record.msg).partition("\n")[0][:200]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`, and of an exception its type and where it was raised."""
    fields = {name: _value(value) for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trail = record.exc_info
        fields["error"] = kind.__name__
        fields["at"] = places(trail)
    return fields


def places(trail: TracebackType | None) -> list[str]:
    """Where an exception passed, outermost first: `proxy/handler.py:80 handle`."""
    found = []
    while trail is not None:
        code = trail.tb_frame.f_code
        path = "/".join(PurePath(code.co_filename).parts[-2:])
        found.append(f"{path}:{trail.tb_lineno} {code.co_name}")
        trail = trail.tb_next
    return found[-_FRAMES:]


def _value(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return str(value)[:_LONGEST]
