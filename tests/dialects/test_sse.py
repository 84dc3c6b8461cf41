"""Event streams: nothing is lost, whatever way they are cut, and clients' reading is ours."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Event
from gateway.dialects.sse import EventReader, TornEvent, encode, with_data
from gateway.errors import UpstreamError
from gateway.verdict import Reason


def read(chunks: list[bytes], max_event: int = 1 << 20) -> list[Event]:
    reader = EventReader(max_event)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.end()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    marks = [0, *sorted(mark % (len(data) + 1) for mark in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks)]


STREAMS = st.lists(
    st.sampled_from(
        [
            b"data: one\n\n",
            b"data: one\r\n\r\n",
            b"data:two\rdata:  lines\r\r",
            b"event: named\ndata: {}\n\n",
            b": a comment\n",
            b"\n",
            b"\r",
            b"\r\n",
            b"\xef\xbb\xbf",
            b"id: 1\nretry: 5\n",
            b"data",
            b"data: \xc3\xa9\x00\xff\n\n",
            b"\xe2\x80\xa8",
            b"event: only a name\n\n",
            b"x",
        ]
    ),
    max_size=12,
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 400), max_size=6))
def test_any_cut_gives_the_same_events_and_loses_no_byte(data: bytes, at: list[int]) -> None:
    whole = read([data])
    assert b"".join(event.raw for event in whole) == data
    assert read(cut(data, at)) == whole
    assert read([bytes([byte]) for byte in data]) == whole


@pytest.mark.parametrize("odd", [b"", b"data: a\nb\r\n\r\n", b": note\r\n\r\n", b"\n\r\n\r\n"])
def test_several_events_with_google_s_line_ends_in_one_piece_are_told_apart(odd: bytes) -> None:
    data = b'data: {"a":1}\r\n\r\n' + odd + b"data: two\r\n\r\n"
    bytewise = read([b"data: first\n\n", *(bytes([byte]) for byte in data)])
    assert read([b"data: first\n\n", data]) == bytewise
    assert [bytewise[1].data, bytewise[-1].data] == ['{"a":1}', "two"]


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=4))
def test_what_is_written_is_read_again(texts: list[str]) -> None:
    data = b"".join(encode(text, "name") for text in texts)
    events = read([b"\xef\xbb\xbf", data])
    lines = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    assert [event.data for event in events if event.name] == lines


def test_the_usual_shapes() -> None:
    events = read([b": hi\n\ndata: a\n\nevent: e\ndata: b\n\n", b"data: c\n\ndata: d\n\n"])
    assert [(e.name, e.data) for e in events if e.data] == [
        ("", "a"),
        ("e", "b"),
        ("", "c"),
        ("", "d"),
    ]


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert [e.data for e in read([b"data:  x\n\ndata:y\n\n"])] == [" x", "y"]


def test_a_comment_before_an_event_leaves_at_once() -> None:
    reader = EventReader()
    assert [event.raw for event in reader.feed(b": ping\n")] == [b": ping\n"]


def test_a_byte_order_mark_stands_only_first() -> None:
    events = read([b"\xef\xbb", b"\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"])
    assert [event.data for event in events] == ["a", ""]


def test_crlf_cut_in_the_middle_is_one_line_end() -> None:
    events = read([b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"])
    assert [event.raw for event in events] == [b"data: a\r\n\r\n", b"data: b\r\n\r\n"]


def test_a_stream_that_ends_in_mid_event_says_so() -> None:
    events = read([b"data: a\n\nevent: e\ndata: b"])
    assert events[1:] == [TornEvent(b"event: e\ndata: b", "e", "b")]
    assert type(events[0]) is Event


def test_an_event_over_the_limit_is_refused_after_those_before_it() -> None:
    reader = EventReader(max_event=32)
    assert [e.data for e in reader.feed(b"data: a\n\ndata: " + b"x" * 40)] == ["a"]
    with pytest.raises(UpstreamError) as failure:
        reader.feed(b"x")
    assert failure.value.reason is Reason.ANSWER_MALFORMED
    with pytest.raises(UpstreamError):
        reader.end()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_an_event_over_the_limit_is_refused_however_it_comes(size: int) -> None:
    data = b"data: " + b"x" * 60 + b"\n\n"
    with pytest.raises(UpstreamError):
        read([data[at : at + size] for at in range(0, len(data), size)], max_event=32)


def test_encoding_takes_bytes_and_text() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode("a\r\nb", "n") == b"event: n\ndata: a\ndata: b\n\n"
    assert encode(b"a\nb") == b"data: a\ndata: b\n\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_is_handed_out_with_its_last_byte(end: bytes) -> None:
    """A server that asks something and waits sends nothing more until it is answered."""
    reader = EventReader()
    for number in range(3):
        raw = end.join([b"event: message", b"id: %d" % number, b"data: {}", b"", b""])
        assert reader.feed(raw[:-1]) == []
        assert [event.raw for event in reader.feed(raw[-1:])] == [raw]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"data: a\n\n", b"data: NEW\n\n"),
        (b"data:a\r\n\r\n", b"data: NEW\r\n\r\n"),
        (b"id: 7\ndata: a\ndata: b\nretry: 5\n\n", b"id: 7\ndata: NEW\nretry: 5\n\n"),
        (b": hi\nevent: x\rdata\rid: 1\r\r", b": hi\nevent: x\rdata: NEW\rid: 1\r\r"),
        (b"\xef\xbb\xbfdata: a\n\n", b"\xef\xbb\xbfdata: NEW\n\n"),
        (b"data: cut", b"data: NEW"),
        (b"datax: a\n\n", b"datax: a\n\n"),
    ],
)
def test_other_data_leaves_the_other_lines_as_they_came(raw: bytes, told: bytes) -> None:
    assert with_data(raw, b"NEW") == told


@given(st.lists(st.sampled_from(["id: 1", "event: x", ": c", "retry: 3", "data: a", "data"])))
def test_an_event_with_other_data_reads_as_that(lines: list[str]) -> None:
    raw = "\r\n".join(["id: 0", *lines, "data: last", "", ""]).encode()
    (event,) = EventReader().feed(raw)
    (again,) = EventReader().feed(with_data(event.raw, b"NEW"))
    assert (again.data, again.name) == ("NEW", event.name)
