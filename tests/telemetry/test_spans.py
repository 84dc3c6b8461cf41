"""What the spans of an exchange say: names, parents, times, and no content."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.dialects.base import ToolCall, Usage
from gateway.exchange import Exchange, Target, ToolTrace
from gateway.telemetry.spans import MOST_EVENTS, name_of, spans_of
from gateway.telemetry.trace_context import Parent
from gateway.telemetry.tracing import Trace, Tracing
from gateway.testing import make_call, make_exchange
from gateway.upstream.way import Way
from gateway.verdict import Action, Reason, RuleRef, Verdict

CONTENT = "content-that-nobody-may-read"
MILLI = 1_000_000
STARTED = 1_700_000_000
FOUND = Verdict(Action.BLOCK, Reason.SECRET_FOUND, RuleRef("base", "secrets", "secrets"))
SEEN = Verdict(Action.BLOCK, Reason.PII_FOUND, RuleRef("base", "pii", "pii"), shadow=True)


class Ids:
    def __init__(self) -> None:
        self._next = itertools.count(1)

    def generate_trace_id(self) -> int:
        return next(self._next)

    generate_span_id = generate_trace_id


def trace_of(exchange: Exchange, parent: Parent | None = None) -> Trace:
    queue: Any = None
    tracing = Tracing(Ids(), lambda trace_id, parent: True, queue, propagates=True)
    return Trace(tracing, parent, exchange.monotonic)


def ended(outcome: str = "answered", status: int = 200) -> Exchange:
    """An exchange that spent a millisecond in each station, and was sent."""
    exchange = make_exchange(make_call([("user", CONTENT)]), now=float(STARTED))
    exchange.request.target = f"/v1/chat/completions?key={CONTENT}"
    plan = SimpleNamespace(way=Way("https://api.example.com/v1"))
    exchange.snapshot = SimpleNamespace(digest="sha256:1", upstreams={"openai": plan})
    exchange.outcome, exchange.status = outcome, status
    exchange.sent, exchange.upstream_status = True, status
    stations = ("identify", "decode", "rules", "open", "upstream", "answer", "record")
    exchange.spent = dict.fromkeys(stations, MILLI)
    exchange.begun, exchange.left = 5, 5 + len(stations) * MILLI
    return exchange


def at(milliseconds: int) -> int:
    return STARTED * 1_000_000_000 + milliseconds * MILLI


def test_the_attempt_lies_inside_the_exchange_and_is_its_child() -> None:
    exchange = ended()
    trace = trace_of(exchange, Parent(7, 8, 1))
    own, child = spans_of(exchange, trace)
    assert (own.trace_id, own.parent, own.remote, own.server) == (7, 8, True, True)
    assert (child.trace_id, child.parent, child.server) == (7, own.span_id, False)
    assert (own.start, own.end) == (at(0), at(7))
    assert (child.start, child.end) == (at(4), at(6))  # from the opened record to the whole answer
    assert (child.attributes["server.address"], child.attributes["server.port"]) == (
        "api.example.com",
        443,
    )


def test_what_was_never_sent_has_no_attempt() -> None:
    exchange = ended("refused", 400)
    exchange.sent = False
    assert len(spans_of(exchange, trace_of(exchange))) == 1


def test_no_span_holds_what_was_written() -> None:
    exchange = ended()
    exchange.tools = [ToolTrace("search", "digest-1", "digest-1")]
    exchange.verdicts = [FOUND]
    said = repr(spans_of(exchange, trace_of(exchange)))
    assert CONTENT not in said
    assert "digest-1" not in said


def test_what_was_used_stands_on_one_span_only() -> None:
    exchange = ended()
    exchange.usage = Usage(10, cache_read=5, cache_write=2, output=3, reasoning=1, estimated=True)
    exchange.cost, exchange.model_served, exchange.finish = 42, "gpt-4o-mini-2024", "stop"
    own, child = spans_of(exchange, trace_of(exchange))
    found = own.attributes
    assert found["gen_ai.usage.input_tokens"] == 17
    assert found["gen_ai.usage.output_tokens"] == 3
    assert found["gen_ai.usage.cache_read.input_tokens"] == 5
    assert found["gen_ai.usage.cache_creation.input_tokens"] == 2
    assert found["gen_ai.usage.reasoning.output_tokens"] == 1
    assert found["portcullis.usage_estimated"] is True
    assert found["portcullis.cost_nanodollars"] == 42
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    assert found["gen_ai.request.model"] == "gpt-4o-mini"
    assert found["gen_ai.response.model"] == "gpt-4o-mini-2024"
    assert not any("gen_ai" in name for name in child.attributes)


@pytest.mark.parametrize(
    ("outcome", "status", "reason", "failed"),
    [
        ("answered", 200, None, (False, False)),
        ("answered", 429, None, (False, True)),  # the provider's own refusal, passed on
        ("answered", 500, None, (True, True)),
        ("blocked", 400, Reason.SECRET_FOUND, (False, True)),
        ("upstream_failed", 502, Reason.UPSTREAM_UNREACHABLE, (True, True)),
        ("cancelled", 499, Reason.CLIENT_GONE, (False, False)),
    ],
)
def test_who_failed_is_marked_so(
    outcome: str, status: int, reason: Reason | None, failed: tuple[bool, bool]
) -> None:
    exchange = ended(outcome, status)
    exchange.reason = reason
    if outcome in ("upstream_failed", "cancelled"):
        exchange.upstream_status = 0
    own, child = spans_of(exchange, trace_of(exchange))
    assert (own.failed, child.failed) == failed
    told = reason.value if reason is not None else (str(status) if status >= 400 else None)
    assert own.attributes.get("error.type") == told


def test_verdicts_are_events_at_the_end_of_their_stage() -> None:
    exchange = ended()
    trace = trace_of(exchange)
    exchange.verdicts = [SEEN]
    trace.judged = 1
    exchange.verdicts.append(FOUND)
    exchange.streamed, exchange.first_byte = True, 5 + 5 * MILLI
    own, _ = spans_of(exchange, trace)
    (_, asked, first), (_, answered, second), (last, when, _) = own.events
    assert (asked, answered) == (at(3), at(6))
    assert first["portcullis.shadow"] is True
    assert (first["portcullis.verdict"], first["portcullis.action"]) == ("block", "allow")
    assert second["portcullis.rule"] == "base/secrets"
    assert (last, when) == ("portcullis.first_byte", at(5))
    assert own.attributes["gen_ai.response.time_to_first_chunk"] == 0.005


def test_events_are_bounded() -> None:
    exchange = ended()
    exchange.verdicts = [SEEN] * 1000
    own, _ = spans_of(exchange, trace_of(exchange))
    assert len(own.events) == MOST_EVENTS


def named(
    dialect: str,
    *,
    method: str = "POST",
    model: str = "",
    tool: str = "",
    rpc: tuple[str, ...] = (),
    operation: str = "chat",
) -> str:
    exchange = ended()
    exchange.request.method = method
    exchange.target = Target("acme", "openai", dialect, "/x")
    call: Any = make_call(model=model)
    call.dialect, call.rpc, call.operation = dialect, rpc, operation
    call.invokes = [ToolCall("1", tool, "{}")] if tool else []
    exchange.call = call
    return name_of(exchange)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("chat gpt-4o", {"dialect": "openai_chat", "model": "gpt-4o"}),
        ("generate_content gemini-pro", {"dialect": "gemini", "model": "gemini-pro"}),
        (
            "embeddings small",
            {"dialect": "openai_embeddings", "model": "small", "operation": "embeddings"},
        ),
        ("execute_tool get", {"dialect": "http_tool", "tool": "get", "operation": "tool"}),
        ("tools/call get", {"dialect": "mcp", "tool": "get", "rpc": ("tools/call",)}),
        ("initialize", {"dialect": "mcp", "rpc": ("initialize",)}),
        ("POST acme", {"dialect": "mcp", "rpc": ("ping", "ping")}),
        ("GET acme", {"dialect": "mcp", "method": "GET"}),
        ("GET acme", {"dialect": "opaque", "method": "GET"}),
        ("CONNECT", {"dialect": "tunnel", "method": "CONNECT"}),
        ("HTTP acme", {"dialect": "opaque", "method": "BREW"}),
        (f"chat {'m' * 128}", {"dialect": "openai_chat", "model": "m" * 1000}),
    ],
)
def test_a_span_is_named_as_the_conventions_say(name: str, what: dict[str, Any]) -> None:
    assert named(**what) == name


def test_a_request_that_was_never_read_has_a_span_too() -> None:
    exchange = make_exchange()
    exchange.call = exchange.target = None
    (own,) = spans_of(exchange, trace_of(exchange))
    assert own.name == "POST"
    assert own.attributes["portcullis.outcome"] == "failed"


def test_a_tunnel_is_a_call_of_its_host_for_as_long_as_it_is_open() -> None:
    exchange = ended()
    exchange.target = Target("forward_proxy", "forward_proxy", "tunnel", "example.com:443")
    call: Any = make_call()
    call.dialect, call.host, call.port = "tunnel", "example.com", 443
    exchange.call = call
    own, child = spans_of(exchange, trace_of(exchange))
    assert child.attributes["server.address"] == "example.com"
    assert "gen_ai.operation.name" not in own.attributes
    assert (child.start, child.end) == (at(4), at(6))
