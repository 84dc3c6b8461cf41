"""The demo reads well on a narrow terminal and in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gateway.demo.scenes import SCENES, Outcome
from gateway.demo.show import COLUMNS, PlainShow, RichShow, choose, saw_of
from gateway.demo.stage import Played

PII = next(scene for scene in SCENES if scene.kind == "pii")
MESSAGE = "Portcullis blocked this request: rule demo/pii found a card number. " * 3

REWRITTEN = Played(
    PII,
    Outcome("Write to ann.lee@example.com about her refund.", "Refund goes to <CREDIT_CARD>."),
    "Write to <EMAIL_ADDRESS> about her refund.",
    "Refund goes to 4111 1111 1111 1111.",
    0,
    {"action": "rewrite"},
    (1.25, 20.0),
    [],
)
BLOCKED = replace(
    REWRITTEN,
    outcome=Outcome("Card 4111 1111 1111 1111", "", "BadRequestError", MESSAGE.strip()),
    received="",
    answered="",
    record={"action": "block"},
)


def on_terminal(*played: Played, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, highlight=False)
    show = RichShow(console, pause=0)
    show.heading("Title")
    for each in played:
        show.scene(each)
    show.line("fine")
    show.line("not fine", good=False)
    show.quote("two\nlines")
    with show.waiting("Starting"):
        pass
    return out.getvalue()


def plain(text: str) -> str:
    """Without the codes for colours."""
    from rich.text import Text

    return Text.from_ansi(text).plain


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_scene_fits_the_terminal(width: int) -> None:
    lines = plain(on_terminal(REWRITTEN, BLOCKED, width=width)).splitlines()
    assert max(map(len, lines)) <= width
    if width >= 80:  # three columns, side by side
        assert sum(all(name in line for name in COLUMNS) for line in lines) == 2


def test_a_frame_tells_the_kind_the_verdict_and_the_time() -> None:
    text = plain(on_terminal(REWRITTEN))
    assert "pii  Personal data" in text
    assert "rewrite · pii_found · 1.2 ms" in text


def test_an_error_is_told_across_the_whole_frame() -> None:
    text = plain(on_terminal(BLOCKED))
    assert "BadRequestError," in text
    assert "not retried" in text
    assert "nothing" in text
    assert "│ Portcullis blocked this request: rule demo/pii found a card number." in text


def test_what_may_not_pass_is_red_and_what_stands_instead_is_green() -> None:
    text = on_terminal(replace(REWRITTEN, outcome=Outcome("ann.lee@example.com", "<CREDIT_CARD>")))
    assert "\x1b[1;31mann.lee@example.com\x1b[0m" in text
    assert "\x1b[1;32m<CREDIT_CARD>\x1b[0m" in text


def test_in_a_pipe_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show = PlainShow()
    with show.waiting("Starting"):
        show.heading("Title")
    show.scene(REWRITTEN)
    show.scene(BLOCKED)
    show.line("fine")
    show.line("not fine", good=False)
    show.quote("two\nlines")
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "  The agent sent:        Write to ann.lee@example.com" in text
    assert "-> answers: Refund goes to 4111 1111 1111 1111." in text
    assert "  The provider received: nothing\n" in text
    assert f"  The error says:        {MESSAGE.strip()}\n" in text
    assert "  Verdict:               rewrite, pii_found, in 1.2 ms (20.0 ms as the agent" in text
    assert text.endswith("fine\nFAILED: not fine\n  two\n  lines\n")


def test_a_retry_is_told() -> None:
    assert saw_of(replace(BLOCKED, retries=2)) == "BadRequestError,\nretried 2 times"


def test_what_is_not_a_terminal_gets_plain_lines() -> None:
    assert isinstance(choose(), PlainShow)
