"""Bodies that hold several requests or several answers: batches, and what comes of them.

Rules of this file:
- Each request is a call of its own, and each answer an answer of its own, read by its own dialect.
- A change in one of them is a change of the whole body; the others stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.dialects.base import (
    Answer,
    Call,
    DeclaredTool,
    Document,
    Segment,
    Surface,
    Unscannable,
)
from gateway.dialects.jsondoc import JsonDocument, dumps

MOST_NAMES = 256
"""Names of tools of a batch that are kept for the record."""


class PartDocument(JsonDocument):
    """A JSON object inside a larger body. Changing it changes the body.

    `raw` is the object as compact JSON, for measures; it is what `encode` gives while nothing
    was changed.
    """

    __slots__ = ("whole",)

    def __init__(self, root: Any, whole: Document, raw: bytes | None = None) -> None:
        super().__init__(root, dumps(root) if raw is None else raw)
        self.whole = whole
        if isinstance(whole, JsonDocument):
            self.dirty = whole.dirty  # what was changed inside strings is written with the whole

    def touch(self) -> None:
        super().touch()
        self.whole.touch()


class BatchCall(Call):
    """A request that holds requests. Rules judge each of `members`, then all content at once.

    `own` and `own_unscannable` are what the body holds beside the requests.
    """

    operation = "batch"
    batched = True
    names_model = False
    answer_surfaces = frozenset(Surface)

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.own: list[Segment] = []
        self.own_unscannable: list[Unscannable] = []

    def take(self, members: Sequence[Call]) -> None:
        """Take requests in, each with its `place`. The model is told where all have the same."""
        self.members = members
        models = {member.model for member in members}
        self.model = models.pop() if len(models) == 1 else ""
        for member in members:
            member.batched = True
        self._collect()

    def gather(self) -> None:
        """Also gives every segment its place in the batch; members remove tools no more then."""
        for member in self.members:
            for segment in member.segments:
                segment.place = f"{member.place}.{segment.place}"
        self._collect()

    def _collect(self) -> None:
        self.segments = list(self.own)
        self.unscannable = list(self.own_unscannable)
        tools: dict[str, DeclaredTool] = {}
        for member in self.members:
            self.segments += member.segments
            for item in member.unscannable:
                self.unscannable.append(replace(item, place=f"{member.place}.{item.place}"))
            for tool in member.tools:
                if len(tools) < MOST_NAMES:
                    tools.setdefault(tool.name, tool)
        self.tools = list(tools.values())

    def input_bound(self) -> int:
        bounds = [member.input_bound() for member in self.members]
        return -1 if -1 in bounds else sum(bounds)

    def input_estimate(self) -> int:
        return sum(member.input_estimate() for member in self.members)

    def set_max_output(self, tokens: int) -> None:
        """Each request has its own: rules write it there."""

    def force_field(self, path: str, value: Any) -> None:
        """Each request has its own: rules write it there."""

    def remove_tools(self, names: frozenset[str]) -> None:
        """Each request has its own: rules take them out there."""


class AnswerList(Answer):
    """An answer that holds answers. Their texts are its own; their calls are judged in each."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._answers: list[Answer] = []
        self.inside = self._answers

    def add(self, answer: Answer, place: str) -> None:
        """Take in an answer whose document is part of this one's."""
        self._answers.append(answer)
        for segment in answer.segments:
            segment.place = f"{place}.{segment.place}"
            if segment.surface is not Surface.TOOL_CALL:  # judged as calls, in their own answer
                self.segments.append(segment)
        for item in answer.unscannable:
            self.unscannable.append(replace(item, place=f"{place}.{item.place}"))

    def finish_inside(self) -> None:
        """Let every answer that was changed bring itself in order before the whole is written."""
        for answer in self._answers:
            if answer.document.changed:
                answer.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Calls stand in the answers inside."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Calls stand in the answers inside."""
