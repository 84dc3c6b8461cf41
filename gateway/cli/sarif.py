"""Findings as SARIF 2.1.0 (OASIS, sections 3.14 to 3.30), which code hosts and editors read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gateway import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Placed(Protocol):
    """What is needed of a finding."""

    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def end_line(self) -> int: ...
    @property
    def end_column(self) -> int: ...
    @property
    def rule(self) -> str: ...
    @property
    def entity(self) -> str: ...


def sarif(hits: Sequence[Placed]) -> dict[str, Any]:
    """One run with a result for each finding. A result's rule is `<rule>/<entity>`."""
    names = list(dict.fromkeys(f"{hit.rule}/{hit.entity}" for hit in hits))
    driver = {
        "name": "Portcullis",
        "version": __version__,
        "rules": [{"id": name} for name in names],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(hit, names) for hit in hits],
            }
        ],
    }


def _result(hit: Placed, names: Sequence[str]) -> dict[str, Any]:
    name = f"{hit.rule}/{hit.entity}"
    region = {
        "startLine": hit.line,
        "startColumn": hit.column,
        "endLine": hit.end_line,
        "endColumn": hit.end_column,
    }
    place = {"artifactLocation": {"uri": hit.path}, "region": region}
    return {
        "ruleId": name,
        "ruleIndex": names.index(name),
        "level": "warning",
        "message": {"text": f"{hit.entity} found by {hit.rule}"},
        "locations": [{"physicalLocation": place}],
    }
