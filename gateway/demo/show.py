"""How the demo looks: three columns on a terminal, plain lines when piped."""

from __future__ import annotations

import sys
from typing import Protocol

from gateway.demo.stage import Played

COLUMNS = ("The agent sent", "The provider received", "The agent saw")
NOTHING = "(nothing)"


class Show(Protocol):
    """Shows the demo as it goes."""

    def heading(self, text: str) -> None: ...

    def scene(self, played: Played) -> None: ...

    def line(self, text: str, *, good: bool = True) -> None: ...


def choose() -> Show:
    """The one that fits where the output goes."""
    return RichShow() if sys.stdout.isatty() else PlainShow()


def verdict_of(played: Played) -> str:
    """`block  secret_found` of the record."""
    action = str(played.record.get("action", "?"))
    return f"{action} · {played.scene.reason}"


class PlainShow:
    """Lines without colours."""

    def heading(self, text: str) -> None:
        print(f"\n{text}\n{'=' * len(text)}", flush=True)

    def scene(self, played: Played) -> None:
        print(f"\n{played.scene.kind}: {played.scene.title}")
        texts = (played.outcome.sent, played.received or NOTHING, played.outcome.saw)
        for name, text in zip(COLUMNS, texts, strict=True):
            print(f"  {name + ':':<23}" + text.replace("\n", "\n" + " " * 25))
        print(
            f"  {'Verdict:':<23}{verdict_of(played)} in {played.seconds * 1000:.1f} ms", flush=True
        )

    def line(self, text: str, *, good: bool = True) -> None:
        print(("" if good else "FAILED: ") + text, flush=True)


class RichShow:
    """Tables with colours."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)

    def heading(self, text: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{text}")

    def scene(self, played: Played) -> None:
        from rich.table import Table
        from rich.text import Text

        blocks = played.outcome.error is not None
        colour = "red" if blocks else "yellow"
        title = Text.assemble(
            (f"{played.scene.kind}  ", "bold cyan"),
            (played.scene.title, "bold"),
            (f"   {verdict_of(played)}", colour),
            (f"   {played.seconds * 1000:.1f} ms", "dim"),
        )
        table = Table(title=title, title_justify="left", expand=True, show_lines=False)
        for name in COLUMNS:
            table.add_column(name, ratio=1, overflow="fold", header_style="dim")
        table.add_row(
            Text(played.outcome.sent),
            Text(played.received) if played.received else Text(NOTHING, "green"),
            Text(played.outcome.saw, "red" if blocks else ""),
        )
        self._console.print()
        self._console.print(table)

    def line(self, text: str, *, good: bool = True) -> None:
        from rich.text import Text

        self._console.print(Text(("  ✓ " if good else "  ✗ ") + text, "" if good else "bold red"))
