"""Streams as upstreams send them, oddities included, and how they are cut."""

from __future__ import annotations

import random

from gateway.testing import answers
from gateway.testing.answers import Say, Tool

ODD_STREAM = (
    b": a comment first\r\n\r\n"
    b"retry: 3000\n\n"
    b'event: something.new\nid: 7\ndata: {"type":"something.new",\n data: kept\n\n'
    b'data:{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"h\xc3\xa9"},"finish_reason":null}],"x_new":[1.0]}\r\n\r\n'
    b"data: not json at all\n\n"
    b": keep-alive\n\n"
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" \\u20ac"}}]}\n\n\n\n'
    b"data: [DONE]\n\n"
    b": after the end\n\n"
    b"data: no empty line behind this"
)
"""Comments, line ends of all sorts, unknown events and fields, text that is no JSON."""

TWO_CALLS = Say(
    pieces=("Looking", " around."),
    tools=(
        Tool("list_rows", '{"table": "t"}', "call_a"),
        Tool("delete_table", '{"table": "t", "force": true}', "call_b"),
    ),
)


def chat_stream(say: Say) -> bytes:
    return b"".join(answers.chat_stream(say, usage=False))


def cut(raw: bytes, seed: int, most: int = 40) -> list[bytes]:
    """The bytes in pieces, at seeded places."""
    chance = random.Random(seed)
    places = sorted(chance.sample(range(1, len(raw)), min(len(raw) - 1, chance.randint(1, most))))
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]


def single(raw: bytes) -> list[bytes]:
    """Byte by byte."""
    return [raw[at : at + 1] for at in range(len(raw))]
