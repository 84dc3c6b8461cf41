"""How `portcullis audit show` puts a record into words, for somebody who asks what happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.audit.reading import Entry
from gateway.cli.printable import printable

_RED, _YELLOW, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
_COLOURS = {
    "block": _RED,
    "throttle": _RED,
    "hold": _YELLOW,
    "rewrite": _YELLOW,
    "flag": _YELLOW,
    "allow": _GREEN,
}
_WORDS = {
    "answered": "answered",
    "refused": "refused, nothing was sent to the {party}",
    "blocked": "its answer was stopped",
    "upstream_failed": "upstream failed",
    "cancelled": "the caller hung up",
    "failed": "the gateway failed",
}
_PARTIES = {"mcp": "server", "http_tool": "tool", "tunnel": "host"}
_GATEWAY = "gateway/gateway"
"""How verdicts name what no rule of the policy decided."""
_LABEL = 10


def story(entry: Entry, *, colour: bool = False) -> str:
    """One exchange, told in lines."""
    record = entry.record
    outcome = str(record.get("outcome", ""))
    if record["type"] == "opened":
        ended = "opened and not closed: it is running, or its process was killed"
    else:
        party = _PARTIES.get(record.get("dialect", ""), "provider")
        ended = _WORDS.get(outcome, outcome).format(party=party)
    lines = [f"{record['id']}  {_when(record)}", "", f"  {ended}"]
    lines += [f"  {line}" for line in _verdict_lines(record, colour)]
    lines.append("")
    for label, text in _facts(entry):
        if text:
            lines.append(f"  {label:<{_LABEL}}{printable(text)}")
    return "\n".join(lines)


def row(entry: Entry, *, colour: bool = False) -> str:
    """One exchange in one line."""
    record = entry.record
    action = str(record.get("action", "open"))
    paint = _COLOURS.get(action, "") if colour else ""
    shown = f"{paint}{action:<8}{_PLAIN if paint else ''}"
    first = next(iter(_acting(record)), None)
    why = f"{first['reason']} ({first['rule']})" if first else str(record.get("reason", ""))
    status = str(record.get("status", "-"))
    model = printable(str(record.get("model", record.get("path", ""))))
    return f"{_when(record)[:19]}  {record['id']}  {status:<4}{shown} {model:<24} {why}".rstrip()


def _when(record: dict[str, Any]) -> str:
    return str(record["time"]).replace("T", " ").partition(".")[0].removesuffix("Z") + " UTC"


def _acting(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdicts that had an effect, or would have had one; the enforced ones first."""
    verdicts = [v for v in record.get("verdicts", ()) if v.get("verdict") != "allow"]
    return sorted(verdicts, key=lambda verdict: bool(verdict.get("shadow")))


def _verdict_lines(record: dict[str, Any], colour: bool) -> Iterator[str]:
    for verdict in _acting(record):
        action = str(verdict["verdict"])
        paint = _COLOURS.get(action, "") if colour else ""
        rule = verdict["rule"]
        who = f"rule {rule}" if rule != _GATEWAY else "the gateway itself"
        head = f"{paint}{action}{_PLAIN if paint else ''}: {who}"
        text = f"{head} {verdict.get('what', '')}".rstrip()
        details = [verdict["reason"]]
        if verdict.get("place"):
            details.append(f"at {verdict['place']}")
        details += [f"{name} {count}" for name, count in verdict.get("entities", {}).items()]
        if verdict.get("shadow"):
            details.append("shadow: not enforced")
        if verdict.get("of_call"):
            details.append("that tool call was taken out")
        yield f"{text} ({', '.join(details)})"


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    record = entry.record
    yield "who", _who(record)
    yield "asked", _asked(record)
    yield "upstream", _upstream(record)
    yield "answered", _answered(record)
    for call in record.get("tool_calls", ()):
        yield "tool call", f"{call['name']}: {_fate(call)}"
    for result in record.get("tool_results", ()):
        failed = ", an error" if result.get("error") else ""
        yield "result", f"of {result.get('name', 'a tool')}, digest {result['digest']}{failed}"
    for what, count in record.get("unscannable", {}).items():
        yield "unread", f"{count} x {what}: no rule can read it"
    yield "used", _usage(record)
    yield from _limits(record.get("limits", {}))
    yield "took", _took(record.get("micros", {}))
    yield "policy", f"{record.get('policy', '-')}, gateway {record.get('gateway', '-')}"
    yield "attempt", str(record.get("attempt", ""))
    yield "trace", str(record.get("trace_id", ""))
    yield "record", f"{entry.file}, number {record['seq']}, hash {entry.hash}"


def _who(record: dict[str, Any]) -> str:
    who = record.get("who", {})
    verified = set(who.get("verified", ()))
    parts = []
    for name in ("tenant", "agent", "user", "task", "feature"):
        if who.get(name):
            known = name in verified
            claimed = "" if known or name in ("tenant", "agent") else " (asserted)"
            parts.append(f"{name} {who[name]}{claimed}{' (verified)' if known else ''}")
    if who.get("session"):
        parts.append(f"session {who['session'][:16]} ({_source(record)})")
    if who.get("key"):
        parts.append(f"key {who['key']} ({who.get('key_name', '')})")
    return ", ".join(parts)


def _asked(record: dict[str, Any]) -> str:
    parts = [f"{record['method']} {record['path']}", *record.get("rpc", ())]
    if record.get("model"):
        parts.append(f"model {record['model']}")
    if record.get("stream"):
        parts.append("streamed")
    if record.get("tools"):
        parts.append(f"{record['tools']['count']} tools declared")
    return ", ".join(parts)


def _upstream(record: dict[str, Any]) -> str:
    name = record.get("upstream", "")
    if not name:
        return ""
    if "upstream_status" not in record:
        if record.get("peer"):
            return f"{name} ({record['dialect']}): connected to {record['peer']}"
        return f"{name} ({record['dialect']}): not called, or it did not answer"
    served = f", served by {record['model_served']}" if record.get("model_served") else ""
    return f"{name} ({record['dialect']}): {record['upstream_status']}{served}"


def _answered(record: dict[str, Any]) -> str:
    if "status" not in record:
        return ""
    size = record.get("bytes", {})
    return f"status {record['status']}, {size.get('in', 0)} bytes in, {size.get('out', 0)} out"


def _fate(call: dict[str, Any]) -> str:
    if call.get("passed") is None:
        return "taken out"
    return "let through" if call["passed"] == call["asked"] else "let through, changed"


def _usage(record: dict[str, Any]) -> str:
    usage = record.get("usage")
    if not usage:
        return ""
    cached = usage.get("cache_read", 0) + usage.get("cache_write", 0)
    cached += usage.get("cache_write_1h", 0)
    text = f"{usage['input'] + cached} tokens in, {usage['output']} out"
    if usage.get("estimated"):
        text += " (estimated)"
    if "cost_nanodollars" in record:
        text += f", ${record['cost_nanodollars'] / 1e9:.6f}"
    return text


def _source(record: dict[str, Any]) -> str:
    source = record["who"].get("session_source", "")
    if source != "derived":
        return f"by {source or '-'}"
    if record.get("dialect") in _PARTIES:  # no conversation to derive one from
        return "of all such calls by one key"
    return "derived from its opening"


def _limits(limits: dict[str, Any]) -> Iterator[tuple[str, str]]:
    refused = limits.get("refused", {})
    for number, claim in enumerate(limits.get("claims", ())):
        unit = claim.get("unit", "")
        text = f"{claim['key']}: {_amount(claim['amount'], unit)} asked for"
        if "used" in claim:
            used, reserved = _amount(claim["used"], unit), _amount(claim["reserved"], unit)
            limit = _amount(claim["limit"], unit)
            text += f", {used} used and {reserved} reserved of {limit} afterwards"
        if "settled" in claim:
            text += f", {_amount(claim['settled'], unit)} in the end"
        if refused.get("index") == number:
            text += f"; refused ({refused['cause']})"
        if limits.get("local"):
            text += "; counted by this gateway alone, the state store being away"
        yield "limit", text


def _amount(amount: int, unit: str) -> str:
    """`$0.0098574` or `120 tokens`."""
    if unit == "nanodollars":
        return f"${amount / 1e9:.9f}".rstrip("0").rstrip(".")
    return f"{amount} {unit}".rstrip()


def _took(micros: dict[str, int]) -> str:
    if not micros:
        return ""
    parts = [
        f"{name} {spent / 1000:.2f}" for name, spent in micros.items() if name != "total" and spent
    ]
    return f"{micros.get('total', 0) / 1000:.2f} ms ({', '.join(parts)})"
