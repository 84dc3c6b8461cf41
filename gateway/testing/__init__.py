"""Public helpers for tests of rules: exchanges and calls without a network.

The fake upstream that replays transcripts is in `gateway/testing/provider.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.dialects.base import Call, DeclaredTool, Document, Segment, Step, Surface, Unscannable
from gateway.exchange import Exchange, Identity, Target
from gateway.message import Headers, Request
from gateway.policy.rule import Workshop


class PlainCall(Call):
    """A call of no dialect: its document is a dict of place -> text."""

    dialect = "test"

    def encode(self) -> bytes:
        return repr(self.document.root).encode()

    def set_max_output(self, tokens: int) -> None:
        self.max_output = tokens
        self.document.root["max_output"] = tokens
        self.document.touch()

    def force_field(self, path: str, value: Any) -> None:
        self.document.root[path] = value
        self.document.touch()

    def get_field(self, path: str) -> Any:
        return self.document.root.get(path)

    def remove_tools(self, names: frozenset[str]) -> None:
        self.tools = [tool for tool in self.tools if tool.name not in names]
        self.document.touch()

    def input_bound(self) -> int:
        return sum(len(s.text.encode()) for s in self.segments)

    def input_estimate(self) -> int:
        return -(-self.input_bound() // 4)


def make_call(
    texts: Sequence[tuple[str, str]] = (),
    *,
    model: str = "gpt-4o-mini",
    max_output: int | None = None,
    tools: Sequence[str] = (),
    steps: Sequence[Step] = (),
    unscannable: Sequence[Unscannable] = (),
    stale: int = 0,
) -> PlainCall:
    """A decoded call. `texts` are (surface, text); the first `stale` of them are history."""
    root: dict[str, Any] = {}
    call = PlainCall(Document(root, b""))
    call.model = model
    call.max_output = max_output
    for number, (surface, text) in enumerate(texts):
        place = f"texts[{number}]"
        root[place] = text
        call.segments.append(
            Segment(
                call.document, root, place, text, Surface(surface), place, fresh=number >= stale
            )
        )
    call.tools = [DeclaredTool(name) for name in tools]
    call.steps = list(steps)
    call.unscannable = list(unscannable)
    return call


def make_exchange(
    call: Call | None = None,
    *,
    tenant: str = "acme",
    agent: str = "bot",
    user: str = "",
    session: str = "s1",
    upstream: str = "openai",
    now: float = 1_700_000_000.0,
    body: bytes = b"{}",
) -> Exchange:
    """An exchange that has passed identification and decoding."""
    request = Request("POST", "/v1/chat/completions", Headers(), body)
    exchange = Exchange("x1", request, now)
    exchange.identity = Identity(tenant=tenant, agent=agent, user=user, session=session)
    exchange.target = Target(upstream, upstream, "openai_chat", "/v1/chat/completions")
    exchange.call = call if call is not None else make_call()
    return exchange


def make_workshop() -> Workshop:
    """A workshop with the packaged price table and a fixed key."""
    from gateway.upstream.prices import packaged_prices

    return Workshop(prices=packaged_prices(), scope_key=b"k" * 32, pseudonym_key=b"p" * 32)
