"""Gemini's streams in their other framing: every recorded stream as one JSON array.

Whatever rules do, the array says what the server-sent events say, and is an array to its end.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.dialects.base import Event
from gateway.dialects.json_array import ArrayReader
from gateway.policy.rule import Rule
from gateway.verdict import Action
from tests.policy.fakes import DenyTools, Words
from tests.streams.test_transcripts import (
    ALL,
    PLACES,
    SMALL,
    Outcome,
    Transcript,
    holding,
    name_of,
    rule,
    send,
    spanning,
)

STREAMS = [each for each in ALL if each.dialect == "gemini"]
every_stream = pytest.mark.parametrize("transcript", STREAMS, ids=name_of)


def array_of(transcript: Transcript) -> bytes:
    """The chunks as Google sends them without `alt=sse`: with line ends, commas on their own."""
    texts = [event.data for event in transcript.events if event.data]
    chunks = [json.dumps(json.loads(text), indent=2, ensure_ascii=False) for text in texts]
    return ("[" + "\n,\r\n".join(chunks) + "\n]\n").encode()


def read(*pieces: bytes) -> list[Event]:
    reader = ArrayReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def payloads(out: bytes) -> list[Any]:
    """What an array holds; what was stopped before its first byte holds nothing."""
    found: list[Any] = json.loads(out) if out else []
    return found


def of_events(out: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: ")]


def both(transcript: Transcript, rules: Sequence[Rule]) -> tuple[Outcome, Outcome]:
    """In one framing and in the other."""
    array = send("gemini", rules, read(array_of(transcript)))
    return send("gemini", rules, transcript.events), array


@every_stream
def test_cuts_do_not_matter(transcript: Transcript) -> None:
    raw = array_of(transcript)
    events = read(raw)
    assert b"".join(event.raw for event in events) == raw
    places = list(range(1, len(raw)))
    if len(raw) > SMALL:
        places = random.Random(transcript.name).sample(places, PLACES)
    for cut in places:
        assert read(raw[:cut], raw[cut:]) == events, f"cut at {cut}"


@every_stream
def test_the_same_bytes_leave_where_nothing_acts(transcript: Transcript) -> None:
    raw = array_of(transcript)
    for rules in ([], holding(transcript)):
        assert send("gemini", rules, read(raw)).out == raw
    single = read(*(raw[at : at + 1] for at in range(len(raw))))
    assert send("gemini", holding(transcript), single).out == raw


@every_stream
def test_what_rules_leave_is_the_same_in_both_framings(transcript: Transcript) -> None:
    setups: list[list[Rule]] = [[DenyTools(name)] for name in set(transcript.said.calls.values())]
    setups += [[rule(Words(word), Action.REWRITE)] for word in spanning(transcript)]
    for rules in setups:
        events, array = both(transcript, rules)
        assert payloads(array.out) == of_events(events.out)
        assert array.verdicts == events.verdicts != ()


@every_stream
def test_a_stream_that_is_stopped_is_an_array_to_its_end(transcript: Transcript) -> None:
    for word in spanning(transcript):
        events, array = both(transcript, [rule(Words(word), Action.BLOCK)])
        assert events.blocked
        assert array.blocked
        assert payloads(array.out) == of_events(events.out)
        if array.out:  # else nothing had left, and the caller gets an error of its own
            assert "error" in payloads(array.out)[-1]


def test_there_are_streams_with_calls_and_with_text() -> None:
    assert any(each.said.calls for each in STREAMS)
    assert any(spanning(each) for each in STREAMS)
