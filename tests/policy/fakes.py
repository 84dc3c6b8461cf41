"""Simple scanners, rules and streams, whose right behaviour is plain to see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from gateway.config.rule_options import ContentOptions
from gateway.dialects.base import (
    AnswerStream,
    Event,
    Frame,
    Part,
    PartKind,
    Surface,
    ToolCall,
    Unscannable,
)
from gateway.exchange import Exchange
from gateway.policy.answer_guard import AnswerGuard, AnswerRules
from gateway.policy.content import ContentRules
from gateway.policy.content_rule import ContentRule, Scanner
from gateway.policy.rule import Rule
from gateway.policy.stream_window import StreamWindow
from gateway.testing import make_exchange, make_workshop
from gateway.verdict import Action, Finding, Mode, Reason, RuleRef, Verdict


class Words:
    """Finds fixed words; of two that begin together the longer one."""

    longest = 512

    def __init__(self, *words: str) -> None:
        self.version = f"words:{words}"
        self._words = words
        longest_first = sorted(words, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        return [
            Finding(m.group().upper(), m.start(), m.end())
            for m in self._pattern.finditer(text, start)
        ]

    def hold(self, text: str, start: int = 0) -> int:
        for at in range(start, len(text)):
            tail = text[at:]
            if any(len(word) > len(tail) and word.startswith(tail) for word in self._words):
                return at
        return len(text)


class Numbers:
    """Finds runs of 4 to 6 digits that stand alone: what follows can undo a match."""

    version = "numbers"
    longest = 512

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        found = re.compile(r"(?<!\d)\d{4,6}(?!\d)").finditer(text, start)
        return [Finding("NUMBER", m.start(), m.end()) for m in found]

    def hold(self, text: str, start: int = 0) -> int:
        run = re.search(r"(?<!\d)\d{1,6}\Z", text)
        return run.start() if run is not None and run.start() >= start else len(text)


class Quotes:
    """Finds what stands between angle brackets, however long."""

    version = "quotes"

    def __init__(self, longest: int = 512) -> None:
        self.longest = longest

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        found = re.compile(r"<[^<>]*>").finditer(text, start)
        return [Finding("QUOTE", m.start(), m.end()) for m in found]

    def hold(self, text: str, start: int = 0) -> int:
        opened = re.search(r"<[^<>]*\Z", text)
        return opened.start() if opened is not None and opened.start() >= start else len(text)


class Broken:
    """Raises where a text holds its word."""

    version = "broken"
    longest = 512

    def __init__(self, word: str = "", *, hold_too: bool = False) -> None:
        self._word = word
        self._hold_too = hold_too

    def find(self, text: str, start: int = 0) -> Sequence[Finding]:
        if self._word in text:
            raise ValueError("broken")
        return ()

    def hold(self, text: str, start: int = 0) -> int:
        if self._hold_too and self._word in text:
            raise ValueError("broken")
        return len(text)


class FakeRule(ContentRule):
    """A content rule with a given scanner and action."""

    kind: ClassVar[str] = "fake"
    Options = ContentOptions
    reason: ClassVar[Reason] = Reason.PATTERN_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)

    def __init__(self, scanner: Scanner, action: Action, mark: str, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        options = ContentOptions.model_validate({"kind": "fake", **keys})
        super().__init__(options, RuleRef("p", mark, "fake"), mode, make_workshop())
        self.scanner = scanner
        self._action = action

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def replacement(self, text: str, finding: Finding) -> str:
        return f"[{self.ref.id}:{text[finding.start : finding.end].upper()}]"


class DenyTools(Rule):
    """Takes out calls of some tools; `stages` and options are beside the point."""

    kind = "deny_tools"

    def __init__(self, *names: str, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        options = ContentOptions.model_validate({"kind": "deny_tools", **keys})
        super().__init__(options, RuleRef("p", "deny", "deny_tools"), mode, make_workshop())
        self.names = names

    def on_tool_call(
        self, exchange: Exchange, call: ToolCall, earlier: Sequence[ToolCall]
    ) -> Verdict | None:
        if call.name == "raise":
            raise ValueError("broken")
        if call.name not in self.names:
            return None
        return self.verdict(Action.BLOCK, Reason.TOOL_DENIED, "forbids it")


class DictCache:
    """A cache that forgets nothing."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[Finding, ...]] = {}

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None:
        return self.known.get((text, version))

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None:
        self.known[text, version] = findings


class PlainStream(AnswerStream):
    """A dialect whose events are lists of parts, as `event()` makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: dict[str, str] = {}
        self.arguments: dict[str, str] = {}

    def read(self, event: Event) -> Frame:
        said = json.loads(event.data)
        frame = Frame(event, said, closing=said.get("closing", False))
        self.finished = self.finished or frame.closing
        for what, surface in said.get("unscannable", ()):
            frame.unscannable += (Unscannable(what, Surface(surface), "x"),)
        for kind, lane, text, group, surface, readonly in said.get("parts", ()):
            tool = ToolCall(lane, text, "", key=lane) if kind == PartKind.TOOL_START else None
            frame.parts.append(
                Part(
                    PartKind(kind),
                    lane,
                    Surface(surface),
                    "" if tool else text,
                    group,
                    tool,
                    readonly,
                )
            )
        return frame

    def write(self, frame: Frame) -> bytes:
        parts = frame.payload.get("parts", [])
        kept = []
        for raw, part in zip(parts, frame.parts, strict=True):
            if part.lane in self.removed:
                continue
            said = list(raw)
            if part.kind is PartKind.TEXT:
                said[2] = part.text
            if part.kind is PartKind.TOOL_ARGS and part.lane in self.arguments:
                said[2], self.arguments[part.lane] = self.arguments[part.lane], ""
            kept.append(said)
        if parts and not kept:
            return b""
        if kept == parts:
            assert not frame.changed or all(part.text == "" for part in frame.parts) or parts
            return frame.event.raw
        return encode({**frame.payload, "parts": kept})

    def remove_tool(self, lane: str, notice: str) -> None:
        self.removed[lane] = notice

    def replace_arguments(self, lane: str, arguments: str) -> None:
        self.arguments[lane] = arguments

    def stop(self, code: str, message: str) -> bytes:
        return encode({"stop": code})


def encode(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode() + b"\n"


def event(*parts: Sequence[Any], **payload: Any) -> Event:
    raw = encode({"parts": [list(part) for part in parts], **payload} if parts else payload)
    return Event(raw, "", raw.decode())


def text(
    said: str,
    lane: str = "t",
    group: str = "g",
    surface: str = "output",
    readonly: bool = False,
) -> tuple[Any, ...]:
    return ("text", lane, said, group, surface, readonly)


def end(lane: str = "t", group: str = "g") -> tuple[Any, ...]:
    return ("end", lane, "", group, "output", False)


def tool(lane: str, name: str, group: str = "g") -> tuple[Any, ...]:
    return ("tool_start", lane, name, group, "tool_call", False)


def args(lane: str, said: str, group: str = "g") -> tuple[Any, ...]:
    return ("tool_args", lane, said, group, "tool_call", False)


def tool_end(lane: str, group: str = "g") -> tuple[Any, ...]:
    return ("tool_end", lane, "", group, "tool_call", False)


def make_guard(rules: Sequence[Rule], exchange: Exchange | None = None) -> AnswerGuard:
    content = ContentRules(rule for rule in rules if isinstance(rule, ContentRule))
    exchange = exchange if exchange is not None else make_exchange()
    return AnswerGuard(exchange, AnswerRules(rules, content), DictCache(), lambda said: said)


class Run:
    """One stream sent through a window, and what came out of each event."""

    def __init__(self, rules: Sequence[Rule], events: Iterable[Event] = ()) -> None:
        self.exchange = make_exchange()
        self.stream = PlainStream()
        self.window = StreamWindow(self.stream, make_guard(rules, self.exchange), "x1")
        self.pieces: list[bytes] = []
        for one in events:
            self.feed(one)

    def feed(self, one: Event) -> str:
        """What left at once, as text."""
        self.pieces.append(self.window.feed(one))
        return texts_of(self.pieces[-1])

    def waits_then(self, one: Event) -> bytes:
        """What leaves with an event for which something waited."""
        assert self.window.waits
        return self.window.feed(one)

    def end(self) -> Run:
        self.pieces.append(self.window.end())
        self.window.finish()
        return self

    @property
    def out(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def said(self) -> list[dict[str, Any]]:
        return payloads(self.out)

    @property
    def text(self) -> str:
        return texts_of(self.out)

    @property
    def verdicts(self) -> list[tuple[str, str, str, tuple[tuple[str, int], ...]]]:
        """What was decided, without the place, which a stream does not know."""
        return [
            (v.action.value, v.reason.value, v.rule.id, tuple(sorted(v.entities.items())))
            for v in self.exchange.verdicts
        ]


def payloads(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def texts_of(out: bytes, lane: str = "t") -> str:
    """All text of a lane that left."""
    return "".join(
        part[2]
        for payload in payloads(out)
        for part in payload.get("parts", ())
        if part[0] == "text" and part[1] == lane
    )
