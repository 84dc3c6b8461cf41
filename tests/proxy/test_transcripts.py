"""Recorded streams of real providers through real sockets: cut at seeded places and one byte at a
time. The same bytes where nothing acts; the same rewrites and verdicts where something does.

The same streams without I/O, cut everywhere, are in tests/streams.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.dialects.transcripts import DATA
from tests.proxy.answers import cut, single
from tests.proxy.conftest import JSON, Bench, Start
from tests.proxy.wire import Message, Script, call, stream

COUNT = 50
PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
}
ENDS = re.compile(
    rb'event: ?message_stop|event: ?response.completed|data: ?\[DONE\]|"finishReason"'
)
OTHER_APIS = ('data: {"interaction"', 'data: {"setupComplete"')  # that Google streams, too
TOOL = re.compile(rb'"name": ?"([A-Za-z_-]{3,40})"')
OWN_ID = re.compile(rb"ptx_[0-9a-f]{32}")
ANY_WORD = r"\b(the|of|is|to)\b"


@dataclass(frozen=True)
class Recorded:
    name: str
    dialect: str
    raw: bytes


def recorded() -> list[Recorded]:
    """Fifty streams: the shortest of the shared ones, and where they are absent our own."""
    path = DATA / "transcripts" / "recorded_streams.jsonl.gz"
    found: list[Recorded] = []
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        found = [
            Recorded(row["id"], row["dialect"], row["response"].encode())
            for row in rows
            if row["dialect"] in PATHS
            and row["response"]
            and not row["response"].startswith(OTHER_APIS)
        ]
    found.sort(key=lambda each: len(each.raw))
    return found[:COUNT] or own()


def own() -> list[Recorded]:
    """Ours, but for the one in which one choice's text may overtake the other's held call."""
    folder = Path(__file__).parents[1] / "transcripts"
    return [
        Recorded(path.stem, path.parent.name, path.read_bytes())
        for path in sorted(folder.glob("*/*.sse"))
        if path.stem != "two_choices"
    ]


STREAMS = recorded()
TOOLS = sorted({name.decode() for each in STREAMS for name in TOOL.findall(each.raw)})
ASK: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "max_tokens": 9,
    "input": "hi",
    "messages": [{"role": "user", "content": "hi"}],
    "contents": [{"parts": [{"text": "hi"}]}],
}
ACTING = (
    {"kind": "tools", "deny": TOOLS[::2] or ["none"]},
    {
        "kind": "patterns",
        "expressions": [{"name": "word", "re2": ANY_WORD}],
        "surfaces": ["output", "tool_call"],
        "action": "redact",
    },
)


def ask(bench: Bench, each: Recorded) -> Message:
    return call(bench.base, PATHS[each.dialect], orjson.dumps(ASK), [JSON])


def play(start: Start, *rules: dict[str, Any]) -> tuple[Bench, list[Script]]:
    """A gateway whose upstream answers with what is put into the list."""
    scripts: list[Script] = []
    return start(*rules, script=lambda got: scripts.pop(0)), scripts


def test_streams_in_which_nothing_acts_are_the_same_bytes(start: Start) -> None:
    bench, scripts = play(start, {"kind": "tools", "deny": ["nobody_calls_this"]})
    for number, each in enumerate(STREAMS):
        for pieces in ([each.raw], cut(each.raw, number), single(each.raw)):
            scripts.append(stream(pieces))
            reply = ask(bench, each)
            assert reply.status == 200, each.name
            assert reply.body == each.raw, each.name
            assert bench.record(reply)["outcome"] == "answered"


def test_streams_in_which_something_acts_become_the_same_however_they_are_cut(
    start: Start,
) -> None:
    bench, scripts = play(start, *ACTING)
    acted = 0
    for number, each in enumerate(STREAMS):
        seen = []
        for pieces in ([each.raw], cut(each.raw, number), single(each.raw)):
            scripts.append(stream(pieces))
            reply = ask(bench, each)
            record = bench.record(reply)
            body = OWN_ID.sub(b"ptx", reply.body)
            # Some recordings are two answers in one stream: the record is closed with the first.
            judged = _judged(record) if len(ENDS.findall(each.raw)) == 1 else []
            seen.append((reply.status, body, record["action"], judged))
        assert seen[1] == seen[0], each.name
        assert seen[2] == seen[0], each.name
        acted += seen[0][1] != each.raw
    assert acted * 2 > len(STREAMS)


def _judged(record: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """What was found: rule, reason and how often, without ids and times."""
    return [(v["rule"], v["reason"], v.get("entities")) for v in record.get("verdicts", ())]
