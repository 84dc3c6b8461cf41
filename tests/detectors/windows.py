"""What a scanner finds in a text that comes in pieces, by the real stream window."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.policy.text_window import TextWindow
from gateway.verdict import Finding


class _Rule:
    """As much of a content rule as the window asks for."""

    def __init__(self, scanner) -> None:
        self.scanner = scanner


def in_pieces(scanner, text: str, cuts: Sequence[int]) -> list[Finding]:
    """The findings that the window settles; every one must come out whole."""
    window = TextWindow([_Rule(scanner)])
    settled = []
    at = 0
    for cut in [*sorted(cuts), len(text)]:
        window.push(text[at : max(at, cut)])
        at = max(at, cut)
        settled += window.advance()
    settled += window.advance(final=True)
    if window.failed:
        raise window.failed[0][1]
    assert not any(seen.late for seen in settled)
    return [
        Finding(seen.finding.entity, seen.start, seen.end, seen.finding.score) for seen in settled
    ]
