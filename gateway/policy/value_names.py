"""What the name of a value makes of it: `{"password": "open-sesame1"}` read as two strings is none.

Objects are judged string by string. A scanner that knows secrets by the names before them gets a
value together with its name, written as a text has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from gateway.dialects.base import Segment
from gateway.verdict import Finding

LONGEST_NAME = 60
"""Characters, so that a name with what stands around it can be looked back upon."""


@runtime_checkable
class NameReader(Protocol):
    """A scanner to which names say something."""

    def tells(self, name: str) -> bool:
        """Whether a value of this name may be a finding that it is not by itself."""
        ...


def tells(scanners: Iterable[object]) -> Callable[[str], bool] | None:
    """Whether a name says something to any of these; None where none reads names."""
    asked = [scanner.tells for scanner in scanners if isinstance(scanner, NameReader)]
    if len(asked) < 2:
        return asked[0] if asked else None
    return lambda name: any(one(name) for one in asked)


def name_of(segment: Segment, says: Callable[[str], bool] | None) -> str:
    """The name of a value in an object, if it says something; "" for a text in a list, or a name
    itself."""
    if says is None:
        return ""
    name = segment.key
    if type(name) is not str or len(name) > LONGEST_NAME or not says(name):
        return ""
    return name if type(segment) is Segment else ""


def find_named(
    find: Callable[[str], Sequence[Finding]], name: str, text: str
) -> tuple[Finding, ...]:
    """What is found in a value when its name stands before it; places are those of the value."""
    before = f'"{name}": "'
    found = []
    for finding in find(f'{before}{text}"'):
        start, end = finding.start - len(before), finding.end - len(before)
        if 0 <= start < len(text):
            found.append(Finding(finding.entity, start, min(end, len(text)), finding.score))
    return tuple(found)
