"""What is found by somebody who takes time: asked before the rules judge, looked up when they do.

Rules of this file:
- A rule's scanner answers at once; a rule may have a `Reader` besides, which is awaited.
- What a reader was not asked, or did not answer, is an error of its rule and never "nothing found".
- Pure: the reader itself does its I/O elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from gateway.dialects.base import Segment
from gateway.verdict import Finding

if TYPE_CHECKING:
    from gateway.policy.content import Cache, ContentRules

Answer = tuple[Finding, ...] | Exception


class Reader(Protocol):
    """Reads texts in its own time. `version` is as a scanner's."""

    version: str

    async def read(self, texts: Sequence[str]) -> Sequence[Answer]:
        """For each text its findings, by start and not overlapping, or why there are none."""
        ...


class NotRead(Exception):
    """Nobody has asked for this text."""


class NoReader:
    """A reader where none is at hand: where a policy is only looked at."""

    def __init__(self, version: str) -> None:
        self.version = version

    async def read(self, texts: Sequence[str]) -> Sequence[Answer]:
        return [NotRead("no reader")] * len(texts)


class Told:
    """What the readers said of the texts of one request or answer."""

    __slots__ = ("_answers",)

    def __init__(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        self._answers = answers

    def of(self, reader: Reader, text: str) -> tuple[Finding, ...]:
        """Raises what stood in the way."""
        answer = self._answers.get((reader.version, text))
        if answer is None:
            raise NotRead("not asked")
        if isinstance(answer, Exception):
            raise answer
        return answer


async def ask(rules: ContentRules, segments: Iterable[Segment], cache: Cache) -> Told | None:
    """Ask every rule's reader for the texts on its surfaces that are not known yet. None where no
    rule has one."""
    wanted: dict[str, tuple[Reader, dict[str, None]]] = {}
    if not rules.reads:
        return None
    for segment in segments:
        for rule in rules.on(segment.surface):
            if rule.reader is not None:
                _, texts = wanted.setdefault(rule.reader.version, (rule.reader, {}))
                texts[segment.text] = None
    answers: dict[tuple[str, str], Answer] = {}
    for version, (reader, texts) in wanted.items():
        unknown = []
        for text in texts:
            known = cache.get(text, version)
            if known is None:
                unknown.append(text)
            else:
                answers[version, text] = known
        if not unknown:
            continue
        try:
            found = await reader.read(unknown)
        except Exception as error:  # noqa: BLE001  a reader's own fault: on_error decides
            found = [error] * len(unknown)
        for text, answer in zip(unknown, found, strict=True):
            answers[version, text] = answer
            if not isinstance(answer, Exception):
                cache.put(text, version, answer)
    return Told(answers)
