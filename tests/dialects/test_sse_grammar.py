"""The event reader against the WHATWG's algorithm written down line by line, on any bytes.

The algorithm: HTML standard, section 9.2.6 "Interpreting an event stream"."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.sse import EventReader, TornEvent
from gateway.errors import UpstreamError


def interpreted(data: bytes) -> list[tuple[str, str]]:
    """What a browser dispatches of a whole stream: (event type, data) of each event."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[tuple[str, str]] = []
    kind, buffer = "", ""
    for line in lines[:-1]:  # what follows the last line's end is no line
        if not line:
            if buffer:
                found.append((kind, buffer.removesuffix("\n")))
            kind, buffer = "", ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                buffer += value + "\n"
    return found


def read(pieces: list[bytes], max_event: int = 1 << 20) -> list[Event]:
    reader = EventReader(max_event)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.end()


def seen(events: list[Event]) -> list[tuple[str, str]]:
    """What of it a client would be told."""
    return [(e.name, e.data) for e in events if e.data and not isinstance(e, TornEvent)]


TEXTS = "data|event|id|:| |\n|\r|\r\n|\n\n|\r\r|\0|{}|data: x\n\n|\ufeff|\ufeffdata: y"
TOKENS = [*(text.encode() for text in TEXTS.split("|")), b"\xef", b"event: e\ndata: y\n\n"]
BYTES = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(TOKENS),
            st.binary(max_size=3),
        ),
        max_size=40,
    ).map(b"".join),
)
PLACES = st.sets(st.integers(1, 200), max_size=12)


def cut(data: bytes, places: set[int]) -> list[bytes]:
    inside = sorted(place for place in places if place < len(data))
    return [data[a:b] for a, b in itertools.pairwise([0, *inside, len(data)])]


@settings(max_examples=500)
@given(BYTES, PLACES)
@example(b"data: a\r\n\r\ndata: b\r\r", {9, 10, 11})
@example(b"\xef\xbb\xbfdata: a\n\n", {1, 2})
@example(b"event: e\n: c\ndata: \xe2\x80\n\n", {17})
def test_clients_are_told_what_the_standard_says(data: bytes, places: set[int]) -> None:
    events = read(cut(data, places))
    assert seen(events) == [one for one in interpreted(data) if one[1]]
    assert b"".join(event.raw for event in events) == data


@settings(max_examples=300)
@given(BYTES, PLACES, st.integers(1, 40))
def test_no_more_is_kept_than_one_event_may_have(
    data: bytes, places: set[int], max_event: int
) -> None:
    reader = EventReader(max_event)
    taken = given_out = 0
    try:
        for piece in cut(data, places):
            taken += len(piece)
            events = reader.feed(piece)
            given_out += sum(len(event.raw) for event in events)
            assert all(len(event.raw) <= max_event for event in events)
            if taken - given_out > max_event:  # then this was the last that it took
                break
        else:
            return
        for _ in range(2):
            reader.feed(b"x")
    except UpstreamError:
        return
    raise AssertionError("it took more than it may keep")


@settings(max_examples=200)
@given(BYTES, PLACES)
def test_each_event_read_alone_is_the_same_event(data: bytes, places: set[int]) -> None:
    for event in read(cut(data, places)):
        if not event.raw.startswith(b"\xef\xbb\xbf") and not isinstance(event, TornEvent):
            (again,) = read([b"\n", event.raw])[1:]
            assert (again.raw, again.name, again.data) == (event.raw, event.name, event.data)
