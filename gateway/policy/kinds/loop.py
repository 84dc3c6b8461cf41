"""`loop`: an agent that goes on without getting on, seen in the history that it resends.

Rules of this file:
- Everything is counted since the last human message: a person's word starts afresh, so a block
  never ends a conversation for good.
- The same call is a loop only while its result stays the same, word for word: polling passes.
- It warns before it blocks.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

import orjson
from pydantic import Field

from gateway.config.rule_options import BlockOrAllow, RuleOptions
from gateway.config.units import CountField, DurationField
from gateway.dialects.base import Call, Step, StepKind
from gateway.exchange import Exchange
from gateway.policy.names import Names, listed
from gateway.policy.rule import Rule, Stage, Workshop, call_of
from gateway.policy.unreadable import HISTORY, Unscannable, out_of_sight
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

WARNING_HEADER = "x-portcullis-warning"

CYCLE = 3
"""The most different calls that are seen as one loop (A, B, C, A, B, C, ...)."""

# Where a dialect does not say that a tool failed: how failures begin, and their usual JSON.
_FAILURE = re.compile(
    r"\s*(?:(?:tool )?error\b|exception\b|traceback \(most recent|fatal\b|failed\b|failure\b"
    r"|\{[^{}]{0,200}?\"(?:error|err)\"\s*:(?!\s*(?:null|false|\"\"|\[\s*\]|\{\s*\}))"
    r"|\{[^{}]{0,200}?\"is_?error\"\s*:\s*true"
    r"|\{[^{}]{0,200}?\"(?:ok|success)\"\s*:\s*false)",
    re.IGNORECASE,
)

_Item = TypeVar("_Item", bound=Hashable)

Pair = tuple[str, str, str]
"""A call with what it gave: tool, canonical arguments, result."""


class LoopOptions(RuleOptions):
    """Keys of a `loop` rule. What is None is not limited."""

    kind: Literal["loop"]
    on_error: BlockOrAllow = "allow"
    repeats: Annotated[int, Field(ge=2, le=1000)] | None = 5
    max_steps: CountField | None = None
    max_active: DurationField | None = None
    max_errors: Annotated[int, Field(ge=1, le=1000)] | None = None
    unscannable: Unscannable = "flag"


class LoopRule(Rule):
    """Counts steps, work, failures and repetitions of the run that a request continues."""

    kind: ClassVar[str] = "loop"
    stage: ClassVar[Stage] = Stage.TOOLS
    Options = LoopOptions

    def __init__(self, options: LoopOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        self._limits = options
        only = options.when.tool if options.when is not None else None
        self._only = Names(only) if only is not None else None

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        call = call_of(exchange)
        if call.operation not in ("chat", "opaque"):
            return ()
        hidden = out_of_sight(self, call, HISTORY, self._limits.unscannable)
        verdicts = [*hidden, *self._found(call, exchange.active_seconds)]
        blocking = next((v for v in verdicts if v.action is Action.BLOCK), None)
        if blocking is not None:
            return (blocking,)
        for verdict in verdicts:
            if verdict.reason is Reason.LOOP_DETECTED and not self.shadow:
                warning = f"{self.ref}: {verdict.what}"
                known = exchange.notices.get(WARNING_HEADER)
                exchange.notices[WARNING_HEADER] = f"{known}; {warning}" if known else warning
        return verdicts

    def _found(self, call: Call, active: float) -> Iterator[Verdict]:
        limits, steps = self._limits, call.steps
        if limits.repeats is not None and len(steps) >= limits.repeats:
            count, tools = repetition(steps)
            if self._only is None or any(map(self._only.has, tools)):
                yield from self._repeating(count, tools, limits.repeats)
        if limits.max_steps is not None:
            yield from self._long(model_steps(steps), limits.max_steps)
        if limits.max_errors is not None:
            yield from self._failing(failures(steps), limits.max_errors)
        if limits.max_active is not None:
            yield from self._busy(active, limits.max_active)

    def _repeating(self, count: int, tools: Sequence[str], most: int) -> Iterator[Verdict]:
        if count >= most or count > max(1, most - 2):
            what = (
                "found that the agent repeats itself: it called the"
                f" tool{'s'[: len(tools) - 1]} {listed(tools)} {count} times with the"
                " same arguments and got the same result each time"
            )
            instead = (
                "Calling it again will give the same. Use what is known, try other arguments or"
                " another tool, or tell the person what is missing."
            )
            yield self._verdict(count >= most, what, instead)

    def _long(self, steps: int, most: int) -> Iterator[Verdict]:
        if steps > most - max(1, most // 10):
            what = f"found {steps} model steps since the last human message (at most {most})"
            instead = "Report what was done so far; the next human message starts the count anew."
            yield self._verdict(steps > most, what, instead)

    def _failing(self, errors: int, most: int) -> Iterator[Verdict]:
        if errors >= most or errors > max(1, most - 2):
            what = f"found {errors} failed tool calls in a row"
            instead = "Stop calling tools; tell the person what fails and what was tried."
            yield self._verdict(errors >= most, what, instead)

    def _busy(self, active: float, most: float) -> Iterator[Verdict]:
        if active >= 0.8 * most:
            what = (
                f"found {active:.0f} seconds of work since the last human message"
                f" (at most {most:.0f})"
            )
            instead = "Report what was done so far; the next human message starts the count anew."
            yield self._verdict(active > most, what, instead)

    def _verdict(self, blocks: bool, what: str, instead: str) -> Verdict:
        action = Action.BLOCK if blocks else Action.FLAG
        return self.verdict(action, Reason.LOOP_DETECTED, what, instead=instead if blocks else "")


def model_steps(steps: Sequence[Step]) -> int:
    """Answers of the model since the last human message."""
    return sum(step.kind is StepKind.MODEL for step in _run(steps))


def failures(steps: Sequence[Step]) -> int:
    """Tool results in a row, newest first, that are errors, within the run."""
    count = 0
    for step in _run(steps):
        if step.kind is StepKind.RESULT:
            if step.is_error is False or not (step.is_error or _FAILURE.match(step.text)):
                break
            count += 1
    return count


def repetition(steps: Sequence[Step]) -> tuple[int, tuple[str, ...]]:
    """How often the run's end repeats itself: (times, the tools of one round).

    Up to `CYCLE` different calls, each with the same result, that were made again and again with
    nothing else in between; `times` is how often the rarest of them was made. Where the
    model makes several calls in a step, whole steps are compared too.
    """
    times, pairs = _tail(pair for calls in _rounds(steps) for pair in calls)
    newest = next(_rounds(steps), ())
    if len(newest) > 1:
        in_steps, alike = _tail(tuple(sorted(calls)) for calls in _rounds(steps))
        if in_steps > times:
            times, pairs = in_steps, tuple(pair for calls in alike for pair in calls)
    return times, tuple(dict.fromkeys(name for name, _, _ in pairs))


def _tail(items: Iterable[_Item]) -> tuple[int, tuple[_Item, ...]]:
    """Of items newest first: the longest stretch made of the same few, as (times, which).

    For each number of different items up to `CYCLE`, the stretch from the newest item back
    to the first stranger; `times` is the count of its rarest item. Reads no further than that.
    """
    counts: dict[_Item, int] = {}
    best: tuple[int, tuple[_Item, ...]] = (0, ())
    for item in items:
        if item not in counts:
            if counts and min(counts.values()) > best[0]:
                best = min(counts.values()), tuple(counts)
            if len(counts) == CYCLE:
                return best
            counts[item] = 0
        counts[item] += 1
    if counts and min(counts.values()) > best[0]:
        best = min(counts.values()), tuple(counts)
    return best


def _rounds(steps: Sequence[Step]) -> Iterator[tuple[Pair, ...]]:
    """The run's model steps, newest first, each as its calls with what they gave."""
    results: dict[str, str] = {}
    for step in _run(steps):
        if step.kind is StepKind.RESULT:
            results[step.call_id] = step.text.strip()
        elif calls := [call for call in step.calls if call.id in results]:
            yield tuple((c.name, _canonical(c.arguments), results.pop(c.id, "")) for c in calls)


def _run(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps since the last human message, newest first."""
    for step in reversed(steps):
        if step.kind is StepKind.HUMAN:
            return
        yield step


def _canonical(arguments: str) -> str:
    """Arguments without what does not change their meaning: the order of keys, white space."""
    try:
        return orjson.dumps(orjson.loads(arguments), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return arguments.strip()
