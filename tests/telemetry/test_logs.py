"""Logs: one line an event, no content, and no flood."""

import io
import json
import logging

import pytest

from gateway.telemetry.logs import (
    MOST_A_SECOND,
    MOST_EVENTS,
    JsonFormatter,
    PlainFormatter,
    RateBound,
    set_up,
)

SECRET = "content-that-nobody-may-read"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logged(monkeypatch):
    """Logs go to a buffer; everything is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.delenv("PORTCULLIS_LOG_LEVEL", raising=False)
    buffer = io.StringIO()
    set_up(buffer)
    yield buffer
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("portcullis", "gateway"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines(buffer):
    return [json.loads(line) for line in buffer.getvalue().splitlines()]


def test_event_is_one_json_line_with_its_fields(logged):
    logging.getLogger("portcullis.worker").info(
        "policy %s", "loaded", extra={"digest": "sha256:0", "trace_id": "0af7", "count": 3}
    )
    (line,) = lines(logged)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "portcullis.worker",
        "event": "policy loaded",
        "digest": "sha256:0",
        "trace_id": "0af7",
        "count": 3,
    }


def test_exception_is_named_and_placed_but_never_quoted(logged):
    def parse():
        raise ValueError(f"cannot parse {SECRET}")

    try:
        parse()
    except ValueError:
        logging.getLogger("portcullis.proxy").exception("internal error")
    (line,) = lines(logged)
    assert line["error"] == "ValueError"
    assert line["at"][-1].startswith("telemetry/test_logs.py:")
    assert line["at"][-1].endswith(" parse")
    assert SECRET not in logged.getvalue()


def test_other_libraries_say_what_happened_without_arguments(logged):
    other = logging.getLogger("asyncio")
    other.error("Task exception was never retrieved\nfuture: %s", SECRET)
    other.error(f"first line\n{SECRET}")
    other.info("chatter")
    assert [line["event"] for line in lines(logged)] == [
        "Task exception was never retrieved",
        "first line",
    ]
    assert SECRET not in logged.getvalue()


def test_line_stays_one_line_and_short(logged):
    logging.getLogger("portcullis").error("a\nb", extra={"field": "x" * 100_000})
    assert logged.getvalue().count("\n") == 1
    assert len(logged.getvalue()) < 2000


def test_terminal_gets_words(monkeypatch):
    record = logging.makeLogRecord(
        {"name": "portcullis.x", "levelname": "INFO", "msg": "policy loaded", "digest": "sha256:0"}
    )
    text = PlainFormatter().format(record)
    assert text.endswith("info    policy loaded  digest=sha256:0")
    assert json.loads(JsonFormatter().format(record))["digest"] == "sha256:0"


def test_form_follows_the_stream(logged):
    terminal = Terminal()
    set_up(terminal)
    logging.getLogger("portcullis").info("hello")
    assert terminal.getvalue().endswith("info    hello\n")


@pytest.mark.parametrize(
    ("level", "shown"), [("", False), ("debug", True), ("error", False), ("nonsense", False)]
)
def test_level_is_the_environments(logged, monkeypatch, level, shown):
    monkeypatch.setenv("PORTCULLIS_LOG_LEVEL", level)
    set_up(logged)
    logging.getLogger("portcullis.exchange").debug("details")
    assert bool(logged.getvalue()) is shown


def record(message, level=logging.ERROR):
    return logging.makeLogRecord({"name": "portcullis", "levelno": level, "msg": message})


def test_repeated_event_is_bounded_and_says_how_many_were_left_out():
    now = [0.0]
    bound = RateBound(lambda: now[0])
    passed = [bound.filter(record("full")) for _ in range(MOST_A_SECOND + 30)]
    assert passed.count(True) == MOST_A_SECOND
    assert bound.filter(record("another"))
    now[0] = 1.0
    late = record("full")
    assert bound.filter(late)
    assert late.suppressed == 30
    again = record("full")
    assert bound.filter(again)
    assert not hasattr(again, "suppressed")


def test_memory_of_events_is_bounded():
    bound = RateBound(lambda: 0.0)
    for number in range(MOST_EVENTS * 3):
        bound.filter(record(f"event {number}"))
    assert len(bound._seen) <= MOST_EVENTS
