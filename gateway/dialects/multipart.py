"""Multipart bodies: one strict reading, byte for byte out but for the parts that were changed.

The format is that of RFC 2046, section 5.1; forms have the fields of RFC 7578. `parts` reads what
HTTP tools take and give; `parse_form` is stricter and reads what is uploaded to a provider.

Rules of this file:
- A body that two parsers could cut up differently is not read: text before the first or after the
  last delimiter, a delimiter behind a bare CR or LF, a header that is folded, doubled or ends in
  one.
- A form must also be plain: a name that is not, a field that stands twice, two names of one file,
  a header that forms do not have, a transfer encoding, a boundary with spaces are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from gateway.dialects.base import Document
from gateway.errors import CallerError
from gateway.verdict import Reason

MOST_FIELDS = 64
LONGEST_HEAD = 4096
"""Fields of a form, and bytes of a field's own headers: an upload has two or three short ones."""

_TYPE = re.compile(
    r"multipart/form-data[ \t]*;[ \t]*boundary=(?:\"([^\"\\\r\n]*)\"|([^\s;\"]+))[ \t]*",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
"""The characters of RFC 2046, without the space, which some senders and readers trim."""

_DISPOSITION = re.compile(
    r"form-data[ \t]*;[ \t]*name=(?:\"([^\"\\]*)\"|([^\s;\"]+))"
    r"(?:[ \t]*;[ \t]*filename=(?:\"([^\"]*)\"|([^\s;\"]+)))?"
    r"(?:[ \t]*;[ \t]*filename\*=utf-8''([^\s;\"]+))?[ \t]*",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")
_HEADER = re.compile(rb"([!#-'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\r\n\0]*)")
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_KNOWN = frozenset(
    {"content-disposition", "content-type", "content-length", "content-transfer-encoding"}
)


@dataclass(slots=True)
class Part:
    """One part: its headers' bytes, the headers by lower-case names, and its content's span."""

    head: bytes
    headers: dict[str, bytes]
    start: int
    end: int


def parts(body: bytes, boundary: bytes, *, most: int, longest_head: int) -> list[Part]:
    """The parts of a body, at least one. A part may have no headers at all.

    Raises ValueError, which says why, for a body that cannot be read in one way only.
    """
    delimiter = b"--" + boundary
    if not boundary or not body.startswith(delimiter + b"\r\n"):
        raise ValueError("it does not begin with its boundary")
    loose = re.compile(b"[\r\n]" + re.escape(delimiter))  # what a lenient reader takes for one
    found: list[Part] = []
    at = len(delimiter) + 2
    while True:
        head, start = _head(body, at, longest_head)
        end = body.find(b"\r\n" + delimiter, start)
        if end < 0:
            raise ValueError("a part does not end")
        if body.startswith(delimiter, start) or loose.search(body, start, end):
            raise ValueError("a part holds its own boundary, so that it is not told apart")
        found.append(Part(head, _headers(head), start, end))
        if len(found) > most:
            raise ValueError(f"it has more than {most} parts, which are not read")
        after = end + 2 + len(delimiter)
        if body[after : after + 2] == b"--":
            if body[after + 2 :] not in (b"", b"\r\n"):
                raise ValueError("something stands behind its end that is not read")
            return found
        if body[after : after + 2] != b"\r\n":
            raise ValueError("a line begins with its boundary and does not end there")
        at = after + 2


def _head(body: bytes, at: int, longest: int) -> tuple[bytes, int]:
    """The headers' bytes, and where the content begins."""
    if body.startswith(b"\r\n", at):
        return b"", at + 2
    end = body.find(b"\r\n\r\n", at, at + longest + 4)
    if end < 0:
        raise ValueError("a part's headers do not end, or are very long")
    return body[at:end], end + 4


def _headers(head: bytes) -> dict[str, bytes]:
    headers: dict[str, bytes] = {}
    for line in head.split(b"\r\n") if head else ():
        found = _HEADER.fullmatch(line)
        if found is None:
            raise ValueError("a part has a header that does not read one way")
        name = found[1].lower().decode("ascii")
        if name in headers:
            raise ValueError("a part has a header twice, which does not read one way")
        headers[name] = found[2].strip(b" \t")
    return headers


def rewritten(body: bytes, boundary: bytes, changes: Iterable[tuple[Part, bytes]]) -> bytes:
    """The body with other contents for some parts, given in their order; all else as it came.

    Raises CallerError where a content would end its own part.
    """
    out, at = [], 0
    for part, content in changes:
        _refuse_boundary(content, boundary)
        out += [body[at : part.start], content]
        at = part.end
    return b"".join([*out, body[at:]])


@dataclass(slots=True)
class Field:
    """A part of a form. `filename` is None where it is no file."""

    name: str
    filename: str | None
    media_type: str
    part: Part


class Form(Document):
    """A parsed form. `put` gives a field another content."""

    __slots__ = ("_boundary", "_new", "fields")

    def __init__(self, raw: bytes, boundary: bytes, fields: list[Field]) -> None:
        super().__init__(None, raw)
        self._boundary = boundary
        self._new: dict[str, bytes] = {}
        self.fields = fields

    def content(self, field: Field) -> bytes:
        return self.raw[field.part.start : field.part.end]

    def put(self, field: Field, content: bytes) -> None:
        """Raises CallerError where the content would end its own part."""
        _refuse_boundary(content, self._boundary)
        self._new[field.name] = content
        self.touch()

    def encode(self) -> bytes:
        """The original bytes, but for the contents that were put in."""
        if not self.changed:
            return self.raw
        changed = [f for f in self.fields if f.name in self._new]
        return rewritten(self.raw, self._boundary, ((f.part, self._new[f.name]) for f in changed))


def parse_form(content_type: str, body: bytes) -> Form:
    """Read a form. Raises CallerError (BODY_MALFORMED) for one that is not strictly one."""
    boundary = _boundary(content_type)
    try:
        read = parts(body, boundary, most=MOST_FIELDS, longest_head=LONGEST_HEAD)
    except ValueError as error:
        _refuse(str(error))
    fields = [_field(part) for part in read]
    if len({field.name.lower() for field in fields}) != len(fields):
        _refuse("it has a field twice")
    return Form(body, boundary, fields)


def is_form(content_type: str) -> bool:
    return content_type.lstrip()[:10].lower() == "multipart/"


def _boundary(content_type: str) -> bytes:
    found = _TYPE.fullmatch(content_type.strip())
    boundary = (found[1] or found[2]) if found else ""
    if not boundary or _BOUNDARY.fullmatch(boundary) is None:
        _refuse("its content-type must be multipart/form-data with one plain boundary")
    return boundary.encode("ascii")


def _field(part: Part) -> Field:
    if part.headers.keys() - _KNOWN:
        _refuse("a part has a header that forms do not have")
    try:
        headers = {name: value.decode("utf-8") for name, value in part.headers.items()}
    except UnicodeDecodeError:
        _refuse("a part's headers are not UTF-8")
    if headers.get("content-transfer-encoding", "binary").lower() not in _IDENTITY:
        _refuse("a part has a transfer encoding")
    length = headers.get("content-length")
    if length is not None and length != str(part.end - part.start):
        _refuse("a part's length is not that of its content")
    named = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    name = (named[1] or named[2] or "") if named else ""
    if named is None or _NAME.fullmatch(name) is None:
        _refuse("a part has no plain name (`form-data; name=...; filename=...`)")
    filename = named[3] if named[3] is not None else named[4]
    if named[5] is not None and unquote(named[5]) != filename:  # .NET writes both, the same
        _refuse("a part has two names of a file that differ")
    return Field(name, filename, headers.get("content-type", "").lower(), part)


def _refuse_boundary(content: bytes, boundary: bytes) -> None:
    if b"--" + boundary in content:
        _refuse("its boundary stands in what a rule wrote: choose another one")


def _refuse(why: str) -> NoReturn:
    raise CallerError(Reason.BODY_MALFORMED, f"The form cannot be read: {why}.")
