"""Findings that overlap, made one."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.verdict import Finding


def united(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings that do not overlap and cover every character that the given ones cover.

    Those that overlap become one, from the first one's start to the last one's end, under the
    name of the best score, of equal ones the first's. A text can then be cut between any two of
    them and scanned piece by piece.
    """
    if len(findings) < 2:
        return tuple(findings)
    ordered = sorted(findings, key=lambda f: (f.start, -f.end, -f.score, f.entity))
    made = [ordered[0]]
    for finding in ordered[1:]:
        last = made[-1]
        if finding.start >= last.end:
            made.append(finding)
        else:
            best = finding if finding.score > last.score else last
            end = max(last.end, finding.end)
            made[-1] = Finding(best.entity, last.start, end, best.score)
    return tuple(made)
