"""How the demo looks: three columns on a terminal, plain lines when piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from gateway.demo.stage import Played

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS = ("The agent sent", "The provider received", "The agent saw")
NOTHING = "nothing"

PAUSE = 0.35
"""Seconds between two scenes on a terminal, so that they can be followed."""

_COLOURS = {"block": "red", "throttle": "red", "rewrite": "yellow"}
_INDENT = 25


class Show(Protocol):
    """Shows the demo as it goes."""

    def heading(self, text: str) -> None: ...

    def waiting(self, text: str) -> AbstractContextManager[object]: ...

    def scene(self, played: Played) -> None: ...

    def line(self, text: str, *, good: bool = True) -> None: ...

    def quote(self, text: str) -> None: ...


def choose() -> Show:
    """The one that fits where the output goes."""
    return RichShow() if sys.stdout.isatty() else PlainShow()


def action_of(played: Played) -> str:
    return str(played.record.get("action", "?"))


def saw_of(played: Played) -> str:
    """The third column: what the agent got, or the SDK's exception."""
    outcome = played.outcome
    if not outcome.error:
        return outcome.saw
    again = f"retried {played.retries} times" if played.retries else "not retried"
    return f"{outcome.error},\n{again}"


class PlainShow:
    """Lines without colours."""

    def heading(self, text: str) -> None:
        print(f"\n{text}\n{'=' * len(text)}", flush=True)

    def waiting(self, text: str) -> AbstractContextManager[object]:
        print(f"{text} ...", flush=True)
        return nullcontext()

    def scene(self, played: Played) -> None:
        print(f"\n{played.scene.kind}: {played.scene.title}")
        for name, text in zip(COLUMNS, _texts(played), strict=True):
            self._field(name, text)
        if played.outcome.error:
            self._field("The error says", played.outcome.message)
        own, whole = played.milliseconds
        self._field(
            "Verdict",
            f"{action_of(played)}, {played.scene.reason}, in {own:.1f} ms "
            f"({whole:.1f} ms as the agent saw it)",
        )
        sys.stdout.flush()

    def line(self, text: str, *, good: bool = True) -> None:
        print(("" if good else "FAILED: ") + text, flush=True)

    def quote(self, text: str) -> None:
        print("  " + text.replace("\n", "\n  "), flush=True)

    @staticmethod
    def _field(name: str, text: str) -> None:
        print(f"  {name + ':':<{_INDENT - 2}}" + text.replace("\n", "\n" + " " * _INDENT))


def _texts(played: Played) -> tuple[str, str, str]:
    received = played.received or NOTHING
    if played.answered:
        received += f"\n-> answers: {played.answered}"
    return played.outcome.sent, received, saw_of(played)


class RichShow:
    """A frame for each scene, in colour: red is what may not pass, green what stands instead."""

    def __init__(self, console: Console | None = None, pause: float = PAUSE) -> None:
        from rich.console import Console

        self._console = console if console is not None else Console(highlight=False)
        self._pause = pause

    def heading(self, text: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{text}", style="cyan")

    def waiting(self, text: str) -> AbstractContextManager[object]:
        return self._console.status(f"{text} ...")

    def scene(self, played: Played) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        colour = _COLOURS.get(action_of(played), "white")
        columns = Table.grid(expand=True, padding=(0, 2))
        for _ in COLUMNS:
            columns.add_column(ratio=1, overflow="fold")
        columns.add_row(*(Text(name, "dim") for name in COLUMNS))
        columns.add_row(*self._cells(played))
        message = [Text("\n" + played.outcome.message, "italic")] if played.outcome.error else []
        title = Text.assemble(
            (played.scene.kind, "bold cyan"), ("  " + played.scene.title, "bold"), " "
        )
        verdict = Text.assemble(
            (action_of(played), f"bold {colour}"),
            (f" · {played.scene.reason}", colour),
            (f" · {played.milliseconds[0]:.1f} ms ", "dim"),
        )
        frame = Panel(
            Group(columns, *message),
            title=title,
            title_align="left",
            subtitle=verdict,
            subtitle_align="right",
            border_style=colour,
            padding=(0, 1),
        )
        self._console.print(frame)
        time.sleep(self._pause)

    def line(self, text: str, *, good: bool = True) -> None:
        from rich.text import Text

        mark = ("✓ ", "bold green") if good else ("✗ ", "bold red")
        self._console.print(Text.assemble(mark, (text, "" if good else "bold red")))

    def quote(self, text: str) -> None:
        from rich.padding import Padding
        from rich.text import Text

        self._console.print(Padding(Text(text, "dim"), (0, 0, 0, 2)))

    @staticmethod
    def _cells(played: Played) -> Sequence[Text]:
        from rich.text import Text

        wants = played.scene.wants
        bad = [text for where, text in wants if where.endswith("lacks")]
        good = [text for where, text in wants if where.endswith("has")]
        sent = Text(played.outcome.sent)
        received = Text(played.received) if played.received else Text(NOTHING, "bold green")
        if played.answered:
            received.append(f"\n→ {played.answered}", "dim")
        saw = Text(saw_of(played), "bold red" if played.outcome.error else "")
        for cell in (sent, received):
            cell.highlight_words(bad, "bold red")
        for cell in (received, saw):
            cell.highlight_words(good, "bold green")
        return sent, received, saw
