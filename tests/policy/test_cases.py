"""The golden cases: one call each, in YAML, through the real dialect, compiler and pipeline.

`tests/cases/<kind>/<what>.yaml` holds rules, a request, what the provider answers (`answer`, or
the events of a `stream`), and what is expected. Its keys are those of `Case` and `Expect`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from gateway.config.load import load_texts
from gateway.config.units import AmountField
from gateway.dialects.base import Dialect, Event, MessageStream, PartKind, Reader, Surface
from gateway.dialects.ndjson import LineReader
from gateway.dialects.registry import DIALECTS
from gateway.dialects.sse import EventReader
from gateway.dialects.sse import encode as encode_event
from gateway.exchange import Exchange, Identity, Target
from gateway.message import Headers, Request
from gateway.policy.compile import compile_policy
from gateway.policy.pipeline import Pipeline
from gateway.proxy import reply as replies
from gateway.state.memory import MemoryStore
from gateway.testing import make_workshop
from gateway.upstream.router import Router
from tests.policy.fakes import DictCache

CASES = Path(__file__).parents[1] / "cases"
PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "openai_embeddings": "/v1/embeddings",
    "openai_completions": "/v1/completions",
    "openai_stored": "/v1/conversations/conv_1/items",
    "openai_batches": "/v1/batches",
    "anthropic_batches": "/v1/messages/batches",
    "ollama": "/api/chat",
    "anthropic_messages": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
    "mcp": "/github",
    "opaque": "/v1/audio/speech",
    "tunnel": "",
}
NOW = 1_700_000_000.0


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Expect(Strict):
    """`answer` and `upstream` are subsets of what they are compared with; lists by position.

    `target` is the path and query that a tool is called with.
    """

    action: str
    target: str | None = None
    reason: str | None = None
    upstream: dict[str, Any] | None = {}
    upstream_lacks: list[str] = []
    answer: dict[str, Any] | None = None
    answer_text: str | None = None
    lacks: list[str] = []


class Case(Strict):
    """`call`: the method and path of an HTTP tool, `tools`: what the upstream has of them. A
    request or answer that is a text is sent as one. `spent`: what calls before this one have used
    of every budget."""

    what: str
    rules: list[dict[str, Any]]
    dialect: str
    call: str = ""
    tools: list[dict[str, Any]] = []
    spent: AmountField | None = None
    request: dict[str, Any] | str = ""
    answer: dict[str, Any] | str | None = None
    stream: list[Any] | None = None
    expect: Expect


class Played:
    """One case, played. `sent` is the body that went upstream, `got` what the caller got."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.dialect: Dialect = DIALECTS[case.dialect]
        self.pipeline = compiled(case.rules)
        if case.dialect == "http_tool":
            self.exchange = tool_exchange_of(case)
        else:
            self.exchange = exchange_of(case, self.dialect)
        self.sent: bytes | None = None
        self.got = b""
        self.text = ""

    async def play(self) -> None:
        exchange = self.exchange
        store = MemoryStore(lambda: NOW)
        if self.case.spent is not None:
            await self._spend(store, self.case.spent.value)
        stopped = await self.pipeline.on_request(exchange, store)
        if stopped is not None:
            self._reply(replies.for_verdict(exchange, stopped, self.dialect).body)
            return
        assert exchange.call is not None
        self.sent = exchange.call.encode()
        exchange.sent = True
        if self.case.stream is not None:
            lines = self.case.dialect == "ollama"
            (self._stream_lines if lines else self._stream)(self.case.stream)
        elif self.case.answer is not None:
            self._answer(bytes_of(self.case.answer))

    async def _spend(self, store: MemoryStore, used: int) -> None:
        budgets = [rule for rule in self.pipeline.rules if rule.kind == "budget"]
        claims = [claim for rule in budgets for claim in rule.claims(self.exchange)]
        admission = await store.admit([replace(claim, amount=0) for claim in claims])
        await store.settle(admission.lease, [used] * len(claims))

    def _reply(self, body: Any) -> None:
        assert isinstance(body, bytes)
        self.got = body

    def _answer(self, body: bytes) -> None:
        assert self.exchange.call is not None
        self.exchange.call.heard(200, Headers([("content-type", media_of(self.case.answer))]))
        answer = self.dialect.decode_answer(self.exchange.call, body)
        guard = self.pipeline.guard(self.exchange)
        stopped = guard.on_answer(answer)
        if stopped is not None:
            message = guard.blocked_message(stopped)
            reply = replies.for_answer(self.exchange, stopped, self.dialect, message)
            self._reply(reply.body)
            return
        self.got = answer.encode()
        if not answer.document.changed:
            assert self.got == body

    def _stream(self, payloads: list[Any]) -> None:
        assert self.exchange.call is not None
        named = self.case.dialect in ("anthropic_messages", "openai_responses")
        raw = b"".join(
            encode_event(said if isinstance(said, str) else json.dumps(said), name_of(said, named))
            for said in payloads
        )
        if self.case.dialect in ("openai_chat", "openai_completions"):
            raw += b"data: [DONE]\n\n"
        self._pass(raw, EventReader)

    def _stream_lines(self, payloads: list[Any]) -> None:
        self._pass(b"".join(json.dumps(said).encode() + b"\n" for said in payloads), LineReader)

    def _pass(self, raw: bytes, reading: Callable[[], Reader]) -> None:
        """Upstream's bytes through the window, and what the caller makes of what is left."""
        assert self.exchange.call is not None
        window = self.pipeline.window(self.exchange, self.dialect.open_stream(self.exchange.call))
        out = b"".join(window.feed(event) for event in events_of(raw, reading)) + window.end()
        window.finish()
        if window.blocked is not None and not window.begun:
            assert out == b""
            reply = replies.for_answer(self.exchange, window.blocked, self.dialect, window.message)
            self._reply(reply.body)
            return
        self.got = out
        reader = self.dialect.open_stream(self.exchange.call)
        if isinstance(reader, MessageStream):  # messages have no text in pieces
            return
        self.text = "".join(
            part.text
            for event in events_of(out, reading)
            for part in reader.read(event).parts
            if part.kind is PartKind.TEXT and part.surface is Surface.OUTPUT
        )


def name_of(payload: Any, named: bool) -> str:
    return str(payload.get("type", "")) if named and isinstance(payload, dict) else ""


def events_of(raw: bytes, reading: Callable[[], Reader] = EventReader) -> list[Event]:
    reader = reading()
    return [*reader.feed(raw), *reader.end()]


def compiled(rules: list[dict[str, Any]]) -> Pipeline:
    policy = {
        "version": 1,
        "upstreams": {"up": {"provider": "openai", "url": "http://127.0.0.1:9"}},
        "tenants": {"acme": {"policies": ["case"]}},
        "default_tenant": "acme",
        "policies": {"case": {"rules": rules}},
    }
    loaded = load_texts({"case.yaml": yaml.safe_dump(policy).encode()}, {})
    snapshot = compile_policy(loaded, make_workshop())
    return Pipeline(snapshot.rules_for("acme"), DictCache())


def bytes_of(said: dict[str, Any] | str) -> bytes:
    return said.encode() if isinstance(said, str) else json.dumps(said).encode()


def media_of(said: dict[str, Any] | str | None) -> str:
    return "text/plain" if isinstance(said, str) else "application/json"


def tool_exchange_of(case: Case) -> Exchange:
    """A call of an HTTP tool, routed and priced as its upstream's tools say."""
    options = {"provider": "http", "url": "http://127.0.0.1:9", "tools": case.tools}
    policy = {
        "version": 1,
        "upstreams": {"up": options},
        "tenants": {"acme": {"policies": ["none"]}},
        "policies": {"none": {"rules": []}},
    }
    loaded = load_texts({"case.yaml": yaml.safe_dump(policy).encode()}, {})
    router = Router(loaded.file.upstreams, loaded.tools)
    method, _, target = case.call.partition(" ")
    headers = Headers([("content-type", media_of(case.request))])
    request = Request(method, f"/up{target}", headers, bytes_of(case.request))
    exchange = Exchange("x1", request, NOW)
    exchange.identity = Identity(tenant="acme", agent="bot", session="s1")
    exchange.target = router.route(request)
    exchange.dialect = router.dialect(exchange.target)
    exchange.call = exchange.dialect.decode(request, request.body)
    exchange.call.fixed_cost = loaded.tools["up"].price(exchange.call.invokes)
    return exchange


def exchange_of(case: Case, dialect: Dialect) -> Exchange:
    assert isinstance(case.request, dict)
    body = json.dumps(case.request).encode()
    path = PATHS[case.dialect]
    request = Request("POST", path, Headers([("content-type", "application/json")]), body)
    if case.dialect == "tunnel":
        request = Request("CONNECT", case.request["connect"], Headers())
    exchange = Exchange("x1", request, NOW)
    exchange.identity = Identity(tenant="acme", agent="bot", session="s1")
    provider = "ollama" if case.dialect == "ollama" else "openai"
    exchange.target = Target("up", provider, case.dialect, path)
    exchange.dialect = dialect
    exchange.call = dialect.decode(request, request.body)
    return exchange


def plain(raw: bytes) -> str:
    """What stands in a body or a stream, with the escapes of its JSON undone."""
    said = raw.decode()
    pieces = [said]
    for line in [said, *said.splitlines()]:
        try:
            value = json.loads(line.removeprefix("data:"))
        except ValueError:
            continue
        pieces.append(json.dumps(value, ensure_ascii=False))
    return "\n".join(pieces)


def contains(whole: Any, part: Any, where: str = "") -> None:
    """Asserts that `part` is a subset of `whole`."""
    if isinstance(part, dict):
        assert isinstance(whole, dict), f"{where} is {whole!r}"
        for key, value in part.items():
            assert key in whole, f"{where} has no {key}: {whole!r}"
            contains(whole[key], value, f"{where}.{key}")
    elif isinstance(part, list):
        assert isinstance(whole, list), f"{where} is {whole!r}"
        assert len(whole) == len(part), f"{where} has {len(whole)} items: {whole!r}"
        for number, (one, wanted) in enumerate(zip(whole, part, strict=True)):
            contains(one, wanted, f"{where}[{number}]")
    else:
        assert whole == part, f"{where} is {whole!r}, not {part!r}"


FILES = sorted(CASES.glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    case = Case.model_validate(yaml.safe_load(path.read_text()))
    played = Played(case)
    asyncio.run(played.play())
    check(played, case.expect)


def check(played: Played, expect: Expect) -> None:
    exchange = played.exchange
    done = exchange.action
    assert done.value == expect.action, exchange.verdicts
    reasons = {v.reason.value for v in exchange.verdicts if v.enforced is done}
    if expect.reason is not None:
        assert expect.reason in reasons
    if expect.upstream is None:
        assert played.sent is None, "upstream was called"
    else:
        assert played.sent is not None, f"upstream was not called: {exchange.verdicts}"
        contains(json.loads(played.sent or "{}"), expect.upstream, "upstream")
    if expect.target is not None:
        assert exchange.call is not None and exchange.target is not None
        assert exchange.call.target(exchange.target.path) == expect.target
    for lacked in expect.upstream_lacks:
        assert lacked not in plain(played.sent or b""), f"upstream got {lacked!r}"
    if expect.answer is not None:
        contains(json.loads(played.got), expect.answer, "answer")
    if expect.answer_text is not None:
        assert played.text == expect.answer_text
    for lacked in expect.lacks:
        assert lacked not in plain(played.got), f"the caller got {lacked!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case_rule_in_shadow_changes_nothing(path: Path) -> None:
    """Every case once more with all its rules in shadow mode: the bytes pass both ways."""
    case = Case.model_validate(yaml.safe_load(path.read_text()))
    case.rules = [{**rule, "mode": "shadow"} for rule in case.rules]
    played = Played(case)
    asyncio.run(played.play())
    assert played.exchange.action.value == "allow"
    assert played.sent == played.exchange.request.body
    answered = case.answer is not None or case.stream is not None
    if answered and case.stream is None:
        assert case.answer is not None
        assert played.got == bytes_of(case.answer)
