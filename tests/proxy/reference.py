"""HTTP/1.1 requests read by the letter of RFC 9112, without any of the gateway's code: what tests
compare the gateway's framing with.

It takes what the RFC lets a server take and llhttp does: empty lines before a request, more than
one space in the request line. Extensions of a chunk are not looked into: they end where the line
does. All else that is not in the grammar ends the reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") +([\x21-\x22\x24-\x7e]+) +HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff \t])*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)(?:;[\t \x21-\x7e\x80-\xff]*)?\r\n")


@dataclass(frozen=True)
class Plain:
    """A complete request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def requests(raw: bytes) -> list[Plain]:
    """The complete requests with which `raw` begins, up to the first that is none, or that
    changes the protocol."""
    found: list[Plain] = []
    at = 0
    while True:
        one = _request(raw, at)
        if one is None:
            return found
        plain, at = one
        found.append(plain)
        if plain.method == "CONNECT":
            return found


def _request(raw: bytes, at: int) -> tuple[Plain, int] | None:
    while raw[at : at + 1] in (b"\r", b"\n"):
        at += 1
    line = _LINE.match(raw, at)
    if line is None:
        return None
    fields = _fields(raw, line.end())
    if fields is None:
        return None
    headers, at = fields
    body = _body(raw, at, headers, old=line[3] == b"0")
    if body is None:
        return None
    method, target = line[1].decode("latin-1"), line[2].decode("latin-1")
    return Plain(method, target, tuple(headers), body[0]), body[1]


def _fields(raw: bytes, at: int) -> tuple[list[tuple[str, str]], int] | None:
    headers: list[tuple[str, str]] = []
    while raw[at : at + 2] != b"\r\n":
        field = _FIELD.match(raw, at)
        if field is None:
            return None
        headers.append((field[1].decode("latin-1"), field[2].decode("latin-1").rstrip(" \t")))
        at = field.end()
    return headers, at + 2


def _body(
    raw: bytes, at: int, headers: list[tuple[str, str]], *, old: bool
) -> tuple[bytes, int] | None:
    def all_of(name: str) -> list[str]:
        return [value for key, value in headers if key.lower() == name]

    lengths, codings, hosts = (
        all_of(name) for name in ("content-length", "transfer-encoding", "host")
    )
    if len(hosts) > 1 or (not hosts and not old):
        return None
    if codings:
        if lengths or old or len(codings) > 1 or codings[0].lower() != "chunked":
            return None
        return _chunks(raw, at)
    if not lengths:
        return b"", at
    if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
        return None
    end = at + int(lengths[0])
    return (raw[at:end], end) if end <= len(raw) else None


def _chunks(raw: bytes, at: int) -> tuple[bytes, int] | None:
    body = b""
    while True:
        chunk = _CHUNK.match(raw, at)
        if chunk is None:
            return None
        size = int(chunk[1], 16)
        at = chunk.end()
        if not size:
            trailers = _fields(raw, at)
            return None if trailers is None else (body, trailers[1])
        data = raw[at : at + size]
        if len(data) < size or raw[at + size : at + size + 2] != b"\r\n":
            return None
        body += data
        at += size + 2
