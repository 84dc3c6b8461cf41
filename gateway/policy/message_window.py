"""What goes on of a stream of messages: each is judged by itself, as a whole answer is.

It stands where the stream window stands (`policy/stream_window.py`), for dialects whose events are
complete in themselves. Nothing is held back, and one message that is stopped does not end the
stream: its sender gets a refusal in its place. A stream may go on for days, so what is kept of it
does not grow: verdicts that say the same are one, with all that they found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from gateway.dialects.base import Event, MessageStream
from gateway.policy.answer_guard import AnswerGuard
from gateway.verdict import Verdict


class MessageWindow:
    """Feeds the messages of one stream through a guard.

    It has the attributes by which the relay knows a `StreamWindow`. `blocked` stays None: the
    stream goes on.
    """

    waits = False
    held = 0
    message = ""

    def __init__(self, stream: MessageStream, guard: AnswerGuard) -> None:
        self.stream = stream
        self.blocked: Verdict | None = None
        self.begun = False
        self.text_out = 0
        self._guard = guard
        self._verdicts = guard.exchange.verdicts
        self._begin = len(self._verdicts)  # what was said before this stream

    def feed(self, event: Event) -> bytes:
        """Take one event; return what leaves in its place."""
        self.begun = True
        known = len(self._verdicts)
        out = self._judge(event)
        if len(self._verdicts) > known > self._begin:
            self._verdicts[self._begin :] = merged(self._verdicts[self._begin :])
        return out

    def _judge(self, event: Event) -> bytes:
        try:
            answer = self.stream.read(event)
        except ValueError:
            stopped = self._guard.on_unreadable()
            return event.raw if stopped is None else self._refuse(event, stopped)
        if answer is None:
            return event.raw
        self.text_out += sum(len(segment.text) for segment in answer.segments)
        stopped = self._guard.on_answer(answer)
        if stopped is not None:
            return self._refuse(event, stopped)
        return self.stream.write(event, answer)

    def _refuse(self, event: Event, stopped: Verdict) -> bytes:
        message = self._guard.blocked_message(stopped)
        return self.stream.refuse(event, stopped.reason.value, message)

    def open(self) -> bytes:
        """Nothing waits."""
        return b""

    def end(self) -> bytes:
        """Nothing is left."""
        return b""

    def finish(self) -> None:
        """All was recorded as it came."""


def merged(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """One verdict for each rule, action, reason and surface: the first, with all entities."""
    found: dict[tuple[object, ...], Verdict] = {}
    for verdict in verdicts:
        key = (
            verdict.rule,
            verdict.action,
            verdict.reason,
            verdict.surface,
            verdict.shadow,
            verdict.of_call,
        )
        known = found.get(key)
        if known is not None:
            counts = Counter(known.entities)
            counts.update(verdict.entities)
            verdict = replace(known, entities=dict(counts))
        found[key] = verdict
    return list(found.values())
