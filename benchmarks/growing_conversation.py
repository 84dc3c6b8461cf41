"""What a turn costs while a conversation grows: content rules, with and without the scan cache.

    python -m benchmarks.growing_conversation

An agent resends its history each turn. Each turn adds a tool call and a result of 2 KB. Printed
are, for some turns, the bytes that were scanned, and the CPU time of all content rules together
(pii, secrets, injection at their defaults) with the cache and without one, and what a known
kilobyte costs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.detector_speed import tool_result
from gateway.config.load import load_texts
from gateway.detectors.scan_cache import ScanCache
from gateway.dialects.registry import DIALECTS
from gateway.exchange import Exchange, Identity, Target
from gateway.message import Headers, Request
from gateway.policy.compile import compile_policy
from gateway.policy.content import Cache
from gateway.policy.content_rule import ContentRule
from gateway.policy.pipeline import Pipeline
from gateway.state.memory import MemoryStore
from gateway.testing import make_workshop
from gateway.verdict import Finding

TURNS = 100
ROUNDS = 5
ADDED = 2_000
SHOWN = (1, 5, 10, 25, 50, 75, 100)
PATH = "/v1/chat/completions"
POLICY = """\
version: 1
upstreams: {openai: {provider: openai, url: "http://127.0.0.1"}}
tenants: {bench: {policies: [bench]}}
policies: {bench: {rules: [{kind: pii}, {kind: secrets}, {kind: injection}]}}
"""


class NoCache:
    """Remembers nothing."""

    def get(self, text: str, version: str) -> tuple[Finding, ...] | None:
        return None

    def put(self, text: str, version: str, findings: tuple[Finding, ...]) -> None:
        return


class Counting:
    """A scanner that counts what it is given."""

    def __init__(self, scanner: Any) -> None:
        self._scanner = scanner
        self.version = scanner.version
        self.read = 0

    def find(self, text: str, start: int = 0) -> Any:
        self.read += len(text)
        return self._scanner.find(text, start)


def conversation() -> list[list[dict[str, Any]]]:
    """The messages of every turn."""
    results = tool_result(TURNS * ADDED)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Read all the files."}]
    turns = []
    for turn in range(TURNS):
        call = {"name": "read", "arguments": json.dumps({"file": turn})}
        called = [{"id": f"c{turn}", "type": "function", "function": call}]
        result = results[turn * ADDED : (turn + 1) * ADDED]
        messages = [
            *messages,
            {"role": "assistant", "content": None, "tool_calls": called},
            {"role": "tool", "tool_call_id": f"c{turn}", "content": result},
        ]
        turns.append(messages)
    return turns


def run(cache: Cache) -> tuple[list[float], list[int]]:
    """CPU seconds of the rules in every turn, and the bytes that were scanned."""
    snapshot = compile_policy(load_texts({"p": POLICY.encode()}, {}), make_workshop())
    rules = snapshot.rules_for("bench")
    counters = []
    for rule in rules:
        if isinstance(rule, ContentRule):
            rule.scanner = counter = Counting(rule.scanner)  # type: ignore[assignment]
            counters.append(counter)
    return asyncio.run(_play(Pipeline(rules, cache), counters))


async def _play(pipeline: Pipeline, counters: list[Counting]) -> tuple[list[float], list[int]]:
    store = MemoryStore(time.time)
    seconds, read = [], []
    for messages in conversation():
        body = json.dumps({"model": "gpt-4o", "messages": messages}).encode()
        request = Request("POST", PATH, Headers(), body)
        exchange = Exchange("x", request, time.time())
        exchange.identity = Identity(tenant="bench", session="s")
        exchange.target = Target("openai", "openai", "openai_chat", PATH)
        exchange.call = DIALECTS["openai_chat"].decode(request, body)
        before = sum(counter.read for counter in counters)
        begun = time.process_time()
        await pipeline.on_request(exchange, store)
        seconds.append(time.process_time() - begun)
        read.append(sum(counter.read for counter in counters) - before)
    return seconds, read


def best(make: Callable[[], Cache]) -> tuple[list[float], list[int]]:
    """The least that each turn took in several conversations."""
    runs = [run(make()) for _ in range(ROUNDS)]
    return [min(turn) for turn in zip(*(seconds for seconds, _ in runs), strict=True)], runs[0][1]


def report() -> str:
    """The curve as a table, and the cost of a known kilobyte."""
    run(NoCache())  # warm up
    cached, read = best(lambda: ScanCache(b"k" * 32))
    plain, whole = best(NoCache)
    lines = [" turn  history KB  scanned KB     us  us, none  KB, none"]
    for turn in SHOWN:
        at = turn - 1
        lines.append(
            f"{turn:>5} {turn * ADDED / 1000:>11.0f} {read[at] / 1000:>11.1f}"
            f" {cached[at] * 1e6:>6.0f} {plain[at] * 1e6:>9.0f} {whole[at] / 1000:>9.0f}"
        )
    late, early = sorted(cached[90:])[5], sorted(cached[4:14])[5]
    known = (late - early) * 1e6 / (86 * ADDED / 1000)
    lines.append(f"a known kilobyte costs {known:.2f} us")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
    sys.exit(0)
