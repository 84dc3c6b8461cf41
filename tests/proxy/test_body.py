"""Bodies that were sent compressed: read in full or refused, never unpacked without end."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError, UpstreamError
from gateway.proxy.body import StreamUnpacker, too_large, unpack
from gateway.verdict import Reason

BODY = b'{"model": "gpt-4o-mini"}' * 20
LIMIT = 100_000


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("X-GZIP", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
        ("identity, gzip", gzip.compress(BODY)),
    ],
)
def test_known_encodings_are_undone(encoding: str, packed: bytes) -> None:
    assert unpack(packed, encoding, LIMIT) == BODY


@given(st.binary(max_size=300))
def test_whatever_was_packed_comes_out(body: bytes) -> None:
    assert unpack(gzip.compress(body), "gzip", LIMIT) == body
    assert unpack(zlib.compress(body), "deflate", LIMIT) == body


def test_an_empty_body_has_nothing_to_unpack() -> None:
    assert unpack(b"", "gzip", LIMIT) == b""


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "x" * 500, ", ".join(["gzip"] * 9)])
def test_unknown_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(gzip.compress(BODY), encoding, LIMIT)
    assert caught.value.reason is Reason.ENCODING_UNSUPPORTED
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "packed",
    [
        b"not gzip at all",
        gzip.compress(BODY)[:-4],
        gzip.compress(BODY)[:5],
        gzip.compress(BODY) + b"trailing",
    ],
)
def test_what_is_not_what_it_says_is_refused(packed: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(packed, "gzip", LIMIT)
    assert caught.value.reason is Reason.BODY_MALFORMED


def test_data_behind_a_deflate_stream_is_refused() -> None:
    """It would be forwarded, and nobody had read it."""
    with pytest.raises(CallerError):
        unpack(zlib.compress(BODY) + b'{"more": 1}', "deflate", LIMIT)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 50 * LIMIT])
def test_the_limit_is_on_what_it_unpacks_to(size: int) -> None:
    packed = gzip.compress(b"x" * size)
    if size <= LIMIT:
        assert len(unpack(packed, "gzip", LIMIT)) == size
        return
    with pytest.raises(CallerError) as caught:
        unpack(packed, "gzip", LIMIT)
    assert (caught.value.reason, caught.value.status) == (Reason.BODY_TOO_LARGE, 413)


def test_a_body_of_countless_members_is_refused() -> None:
    with pytest.raises(CallerError):
        unpack(gzip.compress(b"") * 100_000, "gzip", LIMIT)


def test_too_large_says_how_large_is_allowed() -> None:
    assert "100,000 bytes" in too_large(100_000).message


# --- streams --------------------------------------------------------------------------------


@given(st.binary(max_size=400), st.integers(1, 50), st.booleans())
def test_a_packed_stream_is_unpacked_however_it_is_cut(body: bytes, step: int, twice: bool) -> None:
    packed = gzip.compress(body) * (1 + twice)
    unpacker = StreamUnpacker("gzip")
    pieces = [unpacker.feed(packed[at : at + step]) for at in range(0, len(packed), step)]
    assert b"".join(pieces) == body * (1 + twice)
    assert (unpacker.readable, unpacker.plain) == (True, False)


def test_a_plain_stream_passes_and_an_unknown_one_is_told() -> None:
    plain, unknown = StreamUnpacker(" Identity "), StreamUnpacker("br")
    assert (plain.readable, plain.plain) == (True, True)
    assert plain.feed(b"data: x\n\n") == b"data: x\n\n"
    assert (unknown.readable, unknown.plain) == (False, False)


def test_a_stream_that_is_not_what_it_says_is_the_providers_fault() -> None:
    with pytest.raises(UpstreamError) as caught:
        StreamUnpacker("gzip").feed(b"data: plain text\n\n")
    assert caught.value.reason is Reason.ANSWER_MALFORMED
