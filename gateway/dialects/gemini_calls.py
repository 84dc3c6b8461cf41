"""Function calls of one streamed candidate: put together as they come, taken out as they go.

Most come whole in one part. Where the request asks for `streamFunctionCallArguments` a call begins
with its name and `willContinue`, its arguments follow as `partialArgs` (each a JSON path, and a
value or a piece of a text), and it is complete with the first part that does not say
`willContinue`; some servers leave that part out, so the next call and the end of the answer
complete it too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.dialects.base import Part, PartKind, Surface, ToolCall
from gateway.dialects.gemini_answer import call_of, inner_of, set_arguments
from gateway.dialects.gemini_fields import field as value_of
from gateway.dialects.gemini_fields import listed
from gateway.dialects.gemini_parts import arguments_text
from gateway.dialects.jsondoc import loads_lenient
from gateway.dialects.reading import string
from gateway.errors import UpstreamError
from gateway.verdict import Reason

MOST_ARGUMENTS = 8 * 1024 * 1024
"""Characters of one call's arguments that are put together. (What holds calls back gives up before:
the chunks are longer than what they add.)"""

MOST_ITEMS = 65_536
"""Items of one list. What lies beyond is kept under its path instead."""

_STEP = re.compile(r"""\.?([^.\[\]]+)|\[(\d{1,9})\]|\[(?:'([^']*)'|"([^"]*)")\]""")


@dataclass(slots=True)
class StreamedCall:
    """One call. `arguments` are those that replace its own, `notice` says why it was taken out."""

    lane: str
    call: ToolCall
    tree: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    ended: bool = False
    removed: bool = False
    notice: str = ""
    arguments: str | None = None
    written: bool = False

    def take(self, inner: dict[str, Any]) -> None:
        """What one part adds to the arguments."""
        args = inner.get("args")
        if type(args) is dict:
            self.tree.update(args)
        elif args is not None:
            self.tree["args"] = args
        for piece in listed(inner, "partialArgs"):
            self._take_piece(piece)

    def _take_piece(self, piece: Any) -> None:
        path = string(value_of(piece, "jsonPath"))
        text = value_of(piece, "stringValue")
        self.size += len(path) + (len(text) if type(text) is str else 8)
        if self.size > MOST_ARGUMENTS:
            return
        if type(text) is str:
            holder, key = _place(self.tree, path)
            before = _at(holder, key)
            _put(holder, key, before + text if type(before) is str else text)
            return
        for name in ("numberValue", "boolValue"):
            if (value := value_of(piece, name)) is not None:
                _put(*_place(self.tree, path), value)
                return
        _put(*_place(self.tree, path), None)


@dataclass(slots=True)
class StreamedCandidate:
    """One candidate of the stream, and what is known of it so far."""

    group: str
    calls: list[StreamedCall] = field(default_factory=list)
    lanes: dict[str, Surface] = field(default_factory=dict)  # of text, not ended
    texted: bool = False  # it has text of its own
    finished: bool = False
    noticed: bool = False  # what took its calls out was said

    @property
    def open(self) -> StreamedCall | None:
        """The call whose arguments are still coming."""
        last = self.calls[-1] if self.calls else None
        return last if last is not None and not last.ended else None

    def begin(self, call: ToolCall) -> StreamedCall:
        call.key = f"{self.group}/tool/{len(self.calls)}"
        made = StreamedCall(call.key, call)
        self.calls.append(made)
        return made

    def read(self, part: dict[str, Any], parts: list[Part]) -> StreamedCall | None:
        """A part with a `functionCall`: what it adds goes to `parts`; None for one that only
        ends what has ended.

        Raises UpstreamError where arguments come behind a call that is complete.
        """
        inner = inner_of(part, ("functionCall",))
        call = self.open
        adds = bool(inner.get("args")) or bool(listed(inner, "partialArgs"))
        if inner.get("name") or (call is None and adds):
            if self.calls and not inner.get("name"):
                raise UpstreamError(
                    Reason.ANSWER_MALFORMED,
                    "The provider went on with a tool call that was complete.",
                    retryable=False,
                )
            parts += self.end_call()
            call = self.begin(call_of(part))
            parts.append(self._part(PartKind.TOOL_START, call))
        if call is None:
            return None
        call.take(inner)
        parts.append(self._part(PartKind.TOOL_ARGS, call))
        if not value_of(inner, "willContinue"):
            parts += self.end_call()
        return call

    def whole(self, call: ToolCall) -> tuple[StreamedCall, list[Part]]:
        """A call that came in one piece, with the parts that say so."""
        text, call.arguments = call.arguments, ""
        made = self.begin(call)
        made.ended = True
        parts = [
            self._part(PartKind.TOOL_START, made),
            self._part(PartKind.TOOL_ARGS, made, text),
            self._part(PartKind.TOOL_END, made),
        ]
        return made, parts

    def end_call(self) -> list[Part]:
        """Complete the call that is open, with all its arguments."""
        call = self.open
        if call is None:
            return []
        call.ended = True
        text = arguments_text(call.tree)
        call.tree = {}
        return [
            self._part(PartKind.TOOL_ARGS, call, text),
            self._part(PartKind.TOOL_END, call),
        ]

    def end_texts(self) -> list[Part]:
        parts = [
            Part(PartKind.END, lane, surface, group=self.group)
            for lane, surface in self.lanes.items()
        ]
        self.lanes.clear()
        return parts

    def _part(self, kind: PartKind, call: StreamedCall, text: str = "") -> Part:
        tool = call.call if kind is PartKind.TOOL_START else None
        return Part(kind, call.lane, Surface.TOOL_CALL, text, self.group, tool)

    # --- what was decided ---

    def take_notice(self) -> str:
        """Once: the text that stands for the calls that were taken out, where none is left that
        the agent would run."""
        if self.noticed or not any(call.removed for call in self.calls):
            return ""
        if any(not call.removed and not call.call.hosted for call in self.calls):
            return ""
        self.noticed = True
        notice = " ".join(dict.fromkeys(call.notice for call in self.calls if call.notice))
        return f"\n\n{notice}" if self.texted else notice


@dataclass(slots=True)
class Entry:
    """What one frame holds of a call: a part of a list. `result`: what the provider gave to it."""

    call: StreamedCall
    parts: list[Any]
    part: dict[str, Any]
    result: bool = False

    def apply(self) -> bool:
        """Carry what was decided into the frame; whether it changed."""
        call = self.call
        if call.removed or (call.arguments is not None and call.written and not self.result):
            self.parts[:] = [part for part in self.parts if part is not self.part]
            return True
        if call.arguments is None or self.result:
            return False
        set_arguments(self.part, loads_lenient(call.arguments))
        call.written = True
        return True


def _place(tree: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Where a JSON path points, made on the way. A path that cannot be followed is a key itself."""
    steps: list[str | int] = []
    rest = path.removeprefix("$")
    at = 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None:
            return tree, path
        word, number, single, double = found.groups()
        steps.append(int(number) if number else next(w for w in (word, single, double) if w))
        at = found.end()
    if not steps or type(steps[0]) is int:
        return tree, path
    node: Any = tree
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if type(step) is int:
            if type(node) is not list or step > MOST_ITEMS:
                return tree, path
            node += [None] * (step + 1 - len(node))
        elif type(node) is not dict:
            return tree, path
        if following is None:
            return node, step
        inner = _at(node, step)
        if type(inner) not in (dict, list):
            inner = [] if type(following) is int else {}
            _put(node, step, inner)
        node = inner
    return tree, path


def _at(holder: Any, key: Any) -> Any:
    return holder[key] if type(holder) is list else holder.get(key)


def _put(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value
