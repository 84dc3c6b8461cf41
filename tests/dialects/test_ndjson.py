"""Lines of JSON as a stream: nothing is lost, and how it is cut changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.ndjson import NDJSON, LineReader
from gateway.errors import UpstreamError
from gateway.verdict import Reason

STREAM = st.lists(st.sampled_from([b'{"a":1}', b"\n", b"\r\n", b" ", b"x", b"\xff", b"\r"])).map(
    b"".join
)


def events_of(data: bytes, *cuts: int) -> list[Event]:
    reader = LineReader()
    events: list[Event] = []
    at = 0
    for cut in sorted(cuts):
        events += reader.feed(data[at:cut])
        at = cut
    return [*events, *reader.feed(data[at:]), *reader.end()]


@given(data=STREAM, cuts=st.lists(st.integers(0, 40), max_size=5))
def test_however_it_is_cut_the_events_are_the_same_and_nothing_is_lost(
    data: bytes, cuts: list[int]
) -> None:
    events = events_of(data, *cuts)
    assert events == events_of(data)
    assert b"".join(event.raw for event in events) == data
    assert len(events) == len(data.split(b"\n")) - (not data.split(b"\n")[-1])


def test_a_line_is_handed_out_with_its_last_byte() -> None:
    reader = LineReader()
    assert reader.feed(b'{"a":1}') == []
    assert reader.feed(b"\r\n{") == [Event(b'{"a":1}\r\n', "", '{"a":1}')]
    assert reader.end() == [Event(b"{", "", "{")]
    assert reader.end() == []


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    reader = LineReader(max_event=10)
    assert len(reader.feed(b"12345\n1234567890123")) == 1  # what was complete comes first
    for call in (lambda: reader.feed(b"x"), reader.end):
        with pytest.raises(UpstreamError) as caught:
            call()
        assert caught.value.reason is Reason.ANSWER_MALFORMED
    with pytest.raises(UpstreamError):
        LineReader(max_event=10).feed(b"1234567890\n1\n")


def test_what_keeps_the_connection_alive_is_an_event_without_data() -> None:
    assert [event.data for event in events_of(NDJSON.keep_alive)] == [""]
