"""Every recorded stream through reader, dialect and window, without I/O, cut wherever it can be.

Streams of up to 4 KB are cut at every byte, longer ones at every event boundary give or take
two bytes and at 200 seeded places. Bytes are the same where nothing acts; where something does,
verdicts and rewrites are.

A cut can only show in what the event reader gives. So each cut is made on the reader, and what
the rest makes of its events is worked out once for each sequence of events that ever came. In
long streams the reader is moved from boundary to boundary, and the bytes around each cut are
read anew from there: what it keeps at a boundary is compared in full.
"""

from __future__ import annotations

import copy
import functools
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.dialects.base import Call, Event, PartKind, Surface
from gateway.dialects.registry import DIALECTS
from gateway.dialects.sse import EventReader
from gateway.message import Headers, Request
from gateway.policy.rule import Rule
from gateway.policy.stream_window import StreamWindow
from gateway.testing import make_exchange
from gateway.verdict import Action
from tests.policy.fakes import DenyTools, FakeRule, Words, make_guard

OWN = Path(__file__).parents[1] / "transcripts"
SHARED = Path(os.environ.get("PORTCULLIS_TEST_DATA", OWN.parents[2] / "shared" / "data"))
RECORDED = ("recorded_streams.jsonl.gz", "recorded_exchanges.jsonl.gz")
SMALL = 4096
PLACES = 200

ASKED: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai_completions": {"prompt": "hi"},
    "openai_responses": {"input": "hi"},
    "anthropic_messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "gemini": {"contents": [{"parts": [{"text": "hi"}]}]},
}
PATHS = {"gemini": "/v1beta/models/m:streamGenerateContent?alt=sse"}
WITHOUT_TOOLS = ("openai_completions",)
OTHER_APIS = ('data: {"interaction"', 'data: {"setupComplete"')
"""What Google streams besides, which the dialect does not speak."""


@dataclass(frozen=True)
class Transcript:
    name: str
    dialect: str
    raw: bytes

    @functools.cached_property
    def events(self) -> tuple[Event, ...]:
        return tuple(read(self.raw))

    @functools.cached_property
    def said(self) -> Said:
        return listen(self.dialect, self.events)

    @functools.cached_property
    def boundaries(self) -> tuple[int, ...]:
        places, at = [], 0
        for event in self.events:
            at += len(event.raw)
            places.append(at)
        return tuple(places)


def transcripts() -> Iterator[Transcript]:
    for path in sorted(OWN.glob("*/*.sse")):
        yield Transcript(f"own:{path.stem}", path.parent.name, path.read_bytes())
    for name in RECORDED:
        path = SHARED / "transcripts" / name
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    said = row["response"]
                    if row["stream"] and row["dialect"] in ASKED and _is_spoken(said):
                        yield Transcript(row["id"], row["dialect"], row["response"].encode())


def _is_spoken(response: str) -> bool:
    return bool(response) and not response.startswith(OTHER_APIS)


ALL = list(transcripts())
SMALL_ONES = [each for each in ALL if len(each.raw) <= SMALL]
LONG_ONES = [each for each in ALL if len(each.raw) > SMALL]


def name_of(transcript: Transcript) -> str:
    return transcript.name


# --- the way of the bytes -------------------------------------------------------------------


def read(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def call_of(dialect: str) -> Call:
    body = json.dumps({"model": "m", "stream": True, **ASKED[dialect]}).encode()
    path = PATHS.get(dialect, "/")
    return DIALECTS[dialect].decode(Request("POST", path, Headers(), body), body)


@dataclass
class Said:
    """What a stream says, by lane; and whom it calls."""

    lanes: dict[str, list[str]] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        return {lane: "".join(pieces) for lane, pieces in self.lanes.items()}


def listen(dialect: str, events: Sequence[Event]) -> Said:
    stream = DIALECTS[dialect].open_stream(call_of(dialect))
    said = Said()
    for event in events:
        for part in stream.read(event).parts:
            if part.kind is PartKind.TEXT:
                said.lanes.setdefault(part.lane, []).append(part.text)
                if part.readonly:
                    said.signed.add(part.lane)
            elif part.kind is PartKind.TOOL_START and part.tool is not None:
                said.calls[part.lane] = part.tool.name
    return said


@dataclass(frozen=True)
class Outcome:
    """What left, and what was decided."""

    out: bytes
    verdicts: tuple[tuple[str, ...], ...]
    blocked: bool
    held: int


def send(dialect: str, rules: Sequence[Rule], events: Sequence[Event]) -> Outcome:
    exchange = make_exchange(call_of(dialect))
    stream = DIALECTS[dialect].open_stream(call_of(dialect))
    window = StreamWindow(stream, make_guard(rules, exchange), "x1")
    out = b"".join([window.feed(event) for event in events]) + window.end()
    window.finish()
    assert window.held == 0 or window.blocked is not None
    verdicts = tuple(
        (v.action.value, v.reason.value, str(v.rule), str(sorted(v.entities.items())))
        for v in exchange.verdicts
    )
    return Outcome(out, verdicts, window.blocked is not None, exchange.held_peak)


# --- rules made of what a transcript says -----------------------------------------------------


def commonest(said: Said) -> list[str]:
    words = Counter(re.findall(r"\w{3,12}", " ".join(said.texts.values())))
    return [word for word, _ in words.most_common(20)]


def holding(transcript: Transcript) -> list[Rule]:
    """Rules that hold back every common word and every call, and act on none."""
    words = commonest(transcript.said)
    never = Words("\u2603", *(f"{word}\u2603" for word in words))
    return [rule(never, Action.BLOCK), DenyTools("nothing")]


def rule(scanner: Words, action: Action, **keys: Any) -> FakeRule:
    return FakeRule(scanner, action, "r", unscannable="allow", **keys)


def spanning(transcript: Transcript) -> list[str]:
    """Up to three pieces of text that lie across deltas and stand in nothing that is signed."""
    said = transcript.said
    signed = " ".join(said.texts[lane] for lane in said.signed)
    found: list[str] = []
    for lane, pieces in said.lanes.items():
        if lane in said.signed:
            continue
        text, at = "".join(pieces), 0
        for piece in pieces[:-1]:
            at += len(piece)
            word = text[max(0, at - 6) : at + 6]
            plain = word.isprintable() and word.strip() == word and " " in word
            if plain and at >= 6 and len(word) == 12 and word not in signed:
                found.append(word)
                break
    return found[:3]


def strings_of(out: bytes) -> list[str]:
    """Every string of every event's data."""
    strings: list[str] = []
    for event in read(out):
        try:
            stack = [json.loads(event.data)]
        except ValueError:
            strings.append(event.data)
            continue
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                stack += node.values()
            elif isinstance(node, list):
                stack += node
            elif isinstance(node, str):
                strings.append(node)
    return strings


# --- cuts -------------------------------------------------------------------------------------


def cuts_of(transcript: Transcript) -> list[int]:
    size = len(transcript.raw)
    if size <= SMALL:
        return list(range(1, size))
    places = set(random.Random(transcript.name).sample(range(1, size), PLACES))
    for boundary in transcript.boundaries:
        places |= {boundary + shift for shift in (-2, -1, 0, 1, 2)}
    return sorted(place for place in places if 0 < place < size)


def state_of(reader: EventReader) -> dict[str, Any]:
    return {name: copy.copy(getattr(reader, name)) for name in EventReader.__slots__}


@pytest.mark.parametrize("transcript", SMALL_ONES, ids=name_of)
def test_a_small_stream_gives_the_same_at_every_cut(transcript: Transcript) -> None:
    """The whole way at each byte: reader, dialect, window; nothing acts, and something does."""
    raw, dialect = transcript.raw, transcript.dialect
    setups: list[list[Rule]] = [holding(transcript)]
    setups += [[rule(Words(word), Action.REWRITE)] for word in spanning(transcript)[:1]]
    setups += [[DenyTools(name)] for name in list(transcript.said.calls.values())[:1]]
    wanted = [send(dialect, rules, transcript.events) for rules in setups]
    assert wanted[0].out == raw
    known: dict[tuple[tuple[bytes, str, str], ...], bool] = {}
    for cut in cuts_of(transcript):
        events = read(raw[:cut], raw[cut:])
        key = tuple((event.raw, event.name, event.data) for event in events)
        if key not in known:
            known[key] = [send(dialect, rules, events) for rules in setups] == wanted
        assert known[key], f"cut at {cut}"
    assert len(known) == 1


@pytest.mark.parametrize("transcript", LONG_ONES, ids=name_of)
def test_a_long_stream_gives_the_same_events_at_every_cut(transcript: Transcript) -> None:
    """From each boundary on: up to the cut, and from the cut to a boundary behind it."""
    raw, ends = transcript.raw, transcript.boundaries
    at, number = 0, 0  # a boundary before the cut, and the event that begins there
    reader = EventReader()
    clean: dict[str, Any] | None = None
    for cut in cuts_of(transcript):
        while number < len(ends) and ends[number] + 4 < cut:
            assert reader.feed(raw[at : ends[number]]) == [transcript.events[number]]
            at, number = ends[number], number + 1
            clean = clean or state_of(reader)
            assert state_of(reader) == clean  # so all that follows depends on what follows
        last = number
        while last < len(ends) and ends[last] < cut:
            last += 1
        stop = ends[min(last + 1, len(ends) - 1)]
        other = copy.deepcopy(reader)
        events = other.feed(raw[at:cut]) + other.feed(raw[cut:stop])
        if stop == len(raw):
            events += other.end()
        assert tuple(events) == transcript.events[number : number + len(events)], f"cut at {cut}"
        assert sum(len(event.raw) for event in events) == stop - at
        assert stop == len(raw) or clean is None or state_of(other) == clean


@pytest.mark.parametrize("transcript", ALL, ids=name_of)
def test_the_same_leaves_where_nothing_acts(transcript: Transcript) -> None:
    """Held back again and again, in some cuts of the whole way, and one byte at a time."""
    rules = holding(transcript)
    raw, dialect = transcript.raw, transcript.dialect
    outcome = send(dialect, rules, transcript.events)
    assert outcome.out == raw
    assert outcome.verdicts == ()
    assert outcome.held <= 512 or transcript.said.calls
    chance = random.Random(transcript.name)
    for _ in range(3):
        cut = chance.randrange(1, len(raw))
        assert send(dialect, rules, read(raw[:cut], raw[cut:])) == outcome
    if len(raw) <= SMALL:
        bytewise = read(*(raw[at : at + 1] for at in range(len(raw))))
        assert send(dialect, rules, bytewise) == outcome


@pytest.mark.parametrize("transcript", ALL, ids=name_of)
def test_no_rule_at_all_changes_nothing(transcript: Transcript) -> None:
    outcome = send(transcript.dialect, [], transcript.events)
    assert outcome == Outcome(transcript.raw, (), False, 0)


SPEAKING = [each for each in ALL if spanning(each)]
CALLING = [each for each in ALL if each.said.calls]


@pytest.mark.parametrize("transcript", SPEAKING, ids=name_of)
def test_a_word_across_deltas_is_rewritten_wherever_it_stands(transcript: Transcript) -> None:
    dialect = transcript.dialect
    words = spanning(transcript)
    rewrite = rule(Words(*words), Action.REWRITE)
    outcome = send(dialect, [rewrite], transcript.events)
    assert {verdict[:3] for verdict in outcome.verdicts} == {("rewrite", "pattern_found", "p/r")}
    expected = {lane: rewritten(rewrite, text) for lane, text in transcript.said.texts.items()}
    said = {lane: text for lane, text in listen(dialect, read(outcome.out)).texts.items() if text}
    assert said == {lane: text for lane, text in expected.items() if text}
    left = strings_of(outcome.out)
    assert not [text for text in left for word in words if word in text]


def rewritten(made: FakeRule, text: str) -> str:
    for finding in reversed(made.scanner.find(text)):
        stand_in = made.replacement(text, finding)
        text = text[: finding.start] + stand_in + text[finding.end :]
    return text


@pytest.mark.parametrize("transcript", SPEAKING, ids=name_of)
def test_a_word_across_deltas_stops_the_stream_before_it(transcript: Transcript) -> None:
    dialect = transcript.dialect
    (word, *_) = spanning(transcript)
    outcome = send(dialect, [rule(Words(word), Action.BLOCK)], transcript.events)
    assert outcome.blocked
    assert not any(word in text for text in strings_of(outcome.out))
    said = listen(dialect, read(outcome.out)).texts
    before = transcript.said.texts
    for lane, text in said.items():
        if lane in before:
            assert before[lane].startswith(text) or "Portcullis" in text


@pytest.mark.parametrize("transcript", CALLING, ids=name_of)
def test_a_call_that_is_denied_never_shows(transcript: Transcript) -> None:
    dialect = transcript.dialect
    for name in set(transcript.said.calls.values()):
        outcome = send(dialect, [DenyTools(name)], transcript.events)
        after = listen(dialect, read(outcome.out))
        assert name not in after.calls.values()
        kept = [other for other in transcript.said.calls.values() if other != name]
        if b'"caller"' in transcript.raw:  # what a removed program would call goes with it
            assert not Counter(after.calls.values()) - Counter(kept)
        else:
            assert list(after.calls.values()) == kept
        assert {verdict[:2] for verdict in outcome.verdicts} == {("block", "tool_denied")}


@pytest.mark.parametrize("transcript", CALLING, ids=name_of)
def test_arguments_are_judged_before_any_of_them_leaves(transcript: Transcript) -> None:
    """A word of each call's arguments is forbidden: that call goes, and the word with it."""
    dialect = transcript.dialect
    for call in calls_let_through(dialect, transcript.events):
        words = re.findall(r"[A-Za-z]{5,}", re.sub(r"\\.", " ", call.arguments))
        if not words:
            continue
        word = max(words, key=len)
        deny = rule(Words(word), Action.BLOCK, surfaces=["tool_call"])
        outcome = send(dialect, [deny], transcript.events)
        assert ("block", "pattern_found", "p/r") in [verdict[:3] for verdict in outcome.verdicts]
        assert call.id not in [
            later.id for later in calls_let_through(dialect, read(outcome.out)) if call.id
        ]


def calls_let_through(dialect: str, events: Sequence[Event]) -> list[Any]:
    exchange = make_exchange()
    stream = DIALECTS[dialect].open_stream(call_of(dialect))
    window = StreamWindow(stream, make_guard([], exchange), "x1")
    for event in events:
        window.feed(event)
    window.end()
    return exchange.tool_calls


def test_own_transcripts_cover_what_this_file_is_about() -> None:
    own = [each for each in ALL if each.name.startswith("own:")]
    assert {each.dialect for each in own} == set(ASKED)
    for dialect in ASKED:
        some = [each for each in own if each.dialect == dialect]
        assert any(spanning(each) for each in some)
        calls = any(len(each.said.calls) > 1 for each in some)
        assert calls or dialect in WITHOUT_TOOLS
    assert any(b"\r\n" in each.raw for each in own)
    surfaces = {
        part.surface
        for each in own
        for event, stream in [(event, each.dialect) for event in each.events]
        for part in DIALECTS[stream].open_stream(call_of(stream)).read(event).parts
    }
    assert {Surface.OUTPUT, Surface.TOOL_CALL} <= surfaces
