"""What the audit log says of an exchange: the payloads of its `opened` and `closed` lines.

Rules of this file:
- NEVER content. What a caller or a model wrote appears as a keyed digest or a length. Names
  (of a model, a tool, a user) are kept, cut to a stated length.
- What is empty is left out, so that a line is short; docs/audit.md lists every field.
- `closed` is complete by itself: it repeats what `opened` said.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from gateway import __version__
from gateway.dialects.base import Call, StepKind, Surface, Usage
from gateway.exchange import Exchange, Identity
from gateway.keyed import Keyed
from gateway.state.store import Admission, Claim
from gateway.verdict import Verdict

Digest = Callable[[str], str]

LONGEST_NAME = 128
LONGEST_PATH = 256
LONGEST_WHAT = 200
MOST_ITEMS = 256
"""Verdicts, tool calls and results that one record lists at most; `left_out` counts the rest."""

_DIGEST_HEX = 32

# The words of which dialects build a place; a key that a caller chose is none of them.
_PLACE_WORDS = frozenset(
    "arguments body choices citations content contents data delta description document "
    "documents embedding enum error file file_data filename function function_call functions "
    "id image_url input input_schema input_text instructions item items json_schema messages "
    "metadata name output output_text parameters parts prediction prompt properties reasoning "
    "refusal response_format result results role source stop summary system text thinking title "
    "tool_calls tool_result tools type url user value variables".split()
)
_WHO = {
    "tenant": "tenant",
    "agent": "agent",
    "user": "user",
    "task": "task",
    "feature": "feature",
    "session": "session",
    "session_source": "session_source",
    "key": "key_id",
    "key_name": "key_name",
    "credential": "credential",
}
"""Fields of `who`, and where an identity has them."""

_who_values = operator.attrgetter(*_WHO.values())
_SYSTEM = Surface.SYSTEM  # looking a member up is not free
_PLACE_PART = re.compile(r"([A-Za-z_]*)((?:\[\d{1,9}\])*)")


def make_digest(key: bytes) -> Digest:
    """A keyed digest for texts: 32 hex characters of HMAC-SHA256 (128 bits).

    Equal texts have equal digests under one key; without the key nobody can try out guesses.
    """
    keyed = Keyed(key)

    def digest(text: str) -> str:
        return keyed.hex(text.encode("utf-8", "surrogatepass"))[:_DIGEST_HEX]

    return digest


def opened(exchange: Exchange) -> dict[str, Any]:
    """The payload of the line that is written before upstream is called.

    It is kept, since the closing line goes on from it: making it costs more than the rest.
    """
    request, target, call = exchange.request, exchange.target, exchange.call
    payload: dict[str, Any] = {
        "id": exchange.id,
        "gateway": __version__,
        "who": _who(exchange.identity),
        "method": request.method[:16],
        "path": (target.shown_as if target is not None else "") or request.path[:LONGEST_PATH],
    }
    if exchange.trace_id:
        payload["trace_id"] = exchange.trace_id
    if exchange.attempt > 1:
        payload["attempt"] = exchange.attempt
    if target is not None:
        payload["dialect"] = target.dialect
        payload["upstream"] = target.upstream
        payload["provider"] = target.provider
    if call is not None:
        if call.model:
            payload["model"] = call.model[:LONGEST_NAME]
        payload["operation"] = call.operation
        if call.rpc:
            payload["rpc"] = list(call.rpc[:MOST_ITEMS])
        payload["stream"] = call.stream
    snapshot = exchange.snapshot
    if snapshot is not None:
        payload["policy"] = snapshot.digest
    exchange.opened = payload
    return payload


def closed(exchange: Exchange, digest: Digest) -> dict[str, Any]:
    """The payload of the line that is written before the caller's last byte."""
    payload = {
        **(exchange.opened or opened(exchange)),
        "status": exchange.status,
        "outcome": exchange.outcome,
        "action": str(exchange.action),
        "bytes": {"in": exchange.bytes_in, "out": exchange.bytes_out},
    }
    if exchange.reason is not None:
        payload["reason"] = exchange.reason.value
    if exchange.identity.outcome:
        payload["task_outcome"] = exchange.identity.outcome
    if exchange.upstream_status:
        payload["upstream_status"] = exchange.upstream_status
    if exchange.peer:
        payload["peer"] = exchange.peer
    if exchange.held_peak:
        payload["held_characters"] = exchange.held_peak
    if exchange.pseudonyms:
        made, restored = len(exchange.pseudonyms.made), exchange.pseudonyms.restored
        payload["stand_ins"] = {"put_away": made, "put_back": restored}
    if exchange.verdicts:
        payload["verdicts"] = [_verdict(v) for v in exchange.verdicts[:MOST_ITEMS]]
    _call(payload, exchange, digest)
    _answer(payload, exchange)
    _limits(payload, exchange)
    _times(payload, exchange)
    return payload


def _who(identity: Identity) -> dict[str, Any]:
    who: dict[str, Any] = {
        name: value[:LONGEST_NAME]
        for name, value in zip(_WHO, _who_values(identity), strict=True)
        if value
    }
    if identity.verified:
        who["verified"] = sorted(identity.verified)
    return who


def _verdict(verdict: Verdict) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "rule": f"{verdict.rule.policy}/{verdict.rule.id}",
        "kind": verdict.rule.kind,
        "verdict": verdict.action.value,
        "action": verdict.enforced.value,
        "reason": verdict.reason.value,
    }
    if verdict.what:
        entry["what"] = verdict.what[:LONGEST_WHAT]
    if verdict.surface:
        entry["surface"] = verdict.surface
    if verdict.place:
        entry["place"] = safe_place(verdict.place)
    if verdict.entities:
        entry["entities"] = dict(verdict.entities)
    if verdict.shadow:
        entry["shadow"] = True
    if verdict.of_call:
        entry["of_call"] = True
    if verdict.retry_after is not None:
        entry["retry_after"] = verdict.retry_after
    return entry


@functools.lru_cache(maxsize=4096)
def safe_place(place: str) -> str:
    """A place without keys that the caller chose: `messages[1].content.*` for what lies deeper.

    A place is made of a dialect's own words and of indexes. Inside a tool's arguments it may
    hold keys of the caller's, and those are content.
    """
    kept: list[str] = []
    for part in place.split("."):
        match = _PLACE_PART.fullmatch(part)
        if match is None or (match[1] and match[1] not in _PLACE_WORDS):
            kept.append("*")
            break
        kept.append(part)
    return ".".join(kept)


def _call(payload: dict[str, Any], exchange: Exchange, digest: Digest) -> None:
    call = exchange.call
    if call is None:
        return
    system = [s.text for s in call.segments if s.surface is _SYSTEM]
    if system:
        payload["system_digest"] = digest("\x00".join(system))
    if call.tools:
        texts = [s.text for s in call.segments if s.surface is Surface.TOOL_DEFINITION]
        names = [tool.name for tool in call.tools]
        payload["tools"] = {"count": len(names), "digest": digest("\x00".join(names + texts))}
    if call.unscannable:
        counts: dict[str, int] = {}
        for item in call.unscannable:
            counts[item.what] = counts.get(item.what, 0) + 1
        payload["unscannable"] = counts
    results = _results(call, digest)
    if results:
        payload["tool_results"] = results


def _results(call: Call, digest: Digest) -> list[dict[str, Any]]:
    """The tool results that are new in this request: older ones stand in earlier records."""
    steps = call.steps
    first = len(steps)
    while first and steps[first - 1].kind is not StepKind.MODEL:
        first -= 1
    fresh = [step for step in steps[first:] if step.kind is StepKind.RESULT]
    if not fresh:
        return []
    names = {each.id: each.name for each in steps[first - 1].calls} if first else {}
    results = []
    for step in fresh[:MOST_ITEMS]:
        entry: dict[str, Any] = {"digest": digest(step.text)}
        name = names.get(step.call_id)
        if name:
            entry["name"] = name[:LONGEST_NAME]
        if step.is_error:
            entry["error"] = True
        results.append(entry)
    return results


def _answer(payload: dict[str, Any], exchange: Exchange) -> None:
    if exchange.model_served:
        payload["model_served"] = exchange.model_served[:LONGEST_NAME]
    if exchange.answer_id:
        payload["answer_id"] = exchange.answer_id[:LONGEST_NAME]
    if exchange.reasoning_digest:
        payload["reasoning_digest"] = exchange.reasoning_digest
    if exchange.tools:
        payload["tool_calls"] = [
            {"name": each.name[:LONGEST_NAME], "asked": each.asked, "passed": each.passed}
            for each in exchange.tools[:MOST_ITEMS]
        ]
    left_out = max(len(exchange.tools), len(exchange.verdicts)) - MOST_ITEMS
    if left_out > 0:
        payload["left_out"] = left_out
    if exchange.usage is not None:
        payload["usage"] = _usage(exchange.usage)
    if exchange.cost is not None:
        payload["cost_nanodollars"] = exchange.cost


def _usage(usage: Usage) -> dict[str, Any]:
    entry: dict[str, Any] = {"input": usage.input, "output": usage.output}
    if usage.cache_read:
        entry["cache_read"] = usage.cache_read
    if usage.cache_write:
        entry["cache_write"] = usage.cache_write
    if usage.cache_write_1h:
        entry["cache_write_1h"] = usage.cache_write_1h
    if usage.reasoning:
        entry["reasoning"] = usage.reasoning
    if usage.estimated:
        entry["estimated"] = True
    return entry


def _limits(payload: dict[str, Any], exchange: Exchange) -> None:
    """What was asked of the store and what it said, so that every refusal can be replayed."""
    admission = exchange.admission
    if admission is None:
        if exchange.tried:  # refused, changed, and then claimed no more
            payload["limits"] = {"claims": [], "tried": _tried(exchange)}
        return
    claims: list[dict[str, Any]] = []
    for number, claim in enumerate(exchange.claims):
        unit = exchange.claim_rules[number].unit(claim)
        entry: dict[str, Any] = {
            "key": claim.key,
            "unit": unit,
            "amount": claim.amount,
            "limit": claim.limit,
        }
        if claim.refill is not None:
            entry["refill"] = claim.refill
        if claim.lent:
            entry["lent"] = True
        if claim.rolling:
            entry["rolling"] = claim.rolling
        if claim.shadow:
            entry["shadow"] = True
        if number < len(admission.levels):
            level = admission.levels[number]
            entry["limit"] = level.limit  # of a local share it is less
            entry["used"] = level.used
            entry["reserved"] = level.reserved
        if number < len(exchange.settled_amounts):
            entry["settled"] = exchange.settled_amounts[number]
        claims.append(entry)
    limits = {"claims": claims, **_decision(admission)}
    if exchange.tried:
        limits["tried"] = _tried(exchange)
    if exchange.extensions:
        limits["extended"] = [
            _beside(more.claims.values(), more.admission) for more in exchange.extensions
        ]
    payload["limits"] = limits


def _tried(exchange: Exchange) -> list[dict[str, Any]]:
    return [_beside(asked, answer) for asked, answer in exchange.tried]


def _decision(admission: Admission) -> dict[str, Any]:
    """Where a decision stands among the store's, and what it gave."""
    said: dict[str, Any] = {}
    if admission.local:  # no decision of the store: it has no place among them
        said["local"] = True
    else:
        said["serial"] = admission.serial
    if admission.lease:
        said["lease"] = admission.lease
    if admission.refusal is not None:
        refusal = admission.refusal
        said["refused"] = {
            "index": refusal.index,
            "cause": refusal.cause.value,
            "retry_after": refusal.retry_after,
        }
    return said


def _beside(claims: Iterable[Claim], admission: Admission) -> dict[str, Any]:
    """A further admission of the same call: one that was refused before the call was changed, or
    what its stream took on the way."""
    asked = [{"key": each.key, "amount": each.amount, "limit": each.limit} for each in claims]
    return {"claims": asked, **_decision(admission)}


def _times(payload: dict[str, Any], exchange: Exchange) -> None:
    """Microseconds, whole: the total and each station's."""
    if exchange.spent:
        micros = {name: nanos // 1000 for name, nanos in exchange.spent.items()}
        micros["total"] = (exchange.left - exchange.begun) // 1000
        payload["micros"] = micros
