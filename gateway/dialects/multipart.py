"""`multipart/form-data`: strict in, byte for byte out but for the parts that were changed.

The format is that of RFC 2046, section 5.1, with the fields of RFC 7578.

Rules of this file:
- A body that two parsers could cut up differently is refused: text before the first or after the
  last delimiter, a header that is folded, doubled or ends in a bare CR or LF, a name that is not
  plain, a field that stands twice, two names of one file, a transfer encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from gateway.dialects.base import Document
from gateway.errors import CallerError
from gateway.verdict import Reason

MOST_PARTS = 64
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
_HEADER = re.compile(r"([A-Za-z-]{1,40}):[ \t]*([^\r\n\0]*)")
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_KNOWN = frozenset(
    {"content-disposition", "content-type", "content-length", "content-transfer-encoding"}
)


@dataclass(slots=True)
class Field:
    """One part. `filename` is None where it is no file; `start` and `end` are its content's."""

    name: str
    filename: str | None
    media_type: str
    start: int
    end: int


class Form(Document):
    """A parsed form. `put` gives a field another content."""

    __slots__ = ("_delimiter", "_new", "fields")

    def __init__(self, raw: bytes, boundary: bytes, fields: list[Field]) -> None:
        super().__init__(None, raw)
        self._delimiter = b"--" + boundary
        self._new: dict[str, bytes] = {}
        self.fields = fields

    def content(self, field: Field) -> bytes:
        return self.raw[field.start : field.end]

    def put(self, field: Field, content: bytes) -> None:
        """Raises CallerError where the content would end its own part."""
        if self._delimiter in content:
            _refuse("its boundary stands in what a rule wrote: choose another one")
        self._new[field.name] = content
        self.touch()

    def encode(self) -> bytes:
        """The original bytes, but for the contents that were put in."""
        if not self.changed:
            return self.raw
        out, at = [], 0
        for field in self.fields:
            if field.name in self._new:
                out += [self.raw[at : field.start], self._new[field.name]]
                at = field.end
        return b"".join([*out, self.raw[at:]])


def parse_form(content_type: str, body: bytes) -> Form:
    """Read a form. Raises CallerError (BODY_MALFORMED) for one that is not strictly one."""
    boundary = _boundary(content_type)
    delimiter = b"--" + boundary
    if not body.startswith(delimiter + b"\r\n"):
        _refuse("it does not begin with its boundary")
    loose = re.compile(b"[\r\n]" + re.escape(delimiter))  # what a lenient reader takes for one
    fields: list[Field] = []
    at = len(delimiter) + 2
    while True:
        head_end = body.find(b"\r\n\r\n", at, at + LONGEST_HEAD)
        if head_end < 0:
            _refuse("a part has no end of its headers, or very long ones")
        start = head_end + 4
        end = body.find(b"\r\n" + delimiter, start)
        if end < 0:
            _refuse("a part has no end")
        if body.startswith(delimiter, start) or loose.search(body, start, end):
            _refuse("a part holds its own boundary")
        fields.append(_field(body[at:head_end], start, end))
        if len(fields) > MOST_PARTS:
            _refuse(f"it has more than {MOST_PARTS} fields")
        after = end + 2 + len(delimiter)
        if body[after : after + 2] == b"--":
            if body[after + 2 :] not in (b"", b"\r\n"):
                _refuse("something stands behind its end")
            break
        if body[after : after + 2] != b"\r\n":
            _refuse("a part begins with its boundary's text and goes on otherwise")
        at = after + 2
    names = [field.name.lower() for field in fields]
    if len(set(names)) != len(names):
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


def _field(head: bytes, start: int, end: int) -> Field:
    headers: dict[str, str] = {}
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        _refuse("a part's headers are not UTF-8")
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            _refuse("a part has a header that cannot be read one way")
        name = found[1].lower()
        if name in headers or name not in _KNOWN:
            _refuse("a part has a header twice, or one that forms do not have")
        headers[name] = found[2].strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in _IDENTITY:
        _refuse("a part has a transfer encoding")
    length = headers.get("content-length")
    if length is not None and length != str(end - start):
        _refuse("a part's length is not that of its content")
    named = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    name = (named[1] or named[2] or "") if named else ""
    if named is None or _NAME.fullmatch(name) is None:
        _refuse("a part has no plain name (`form-data; name=...; filename=...`)")
    filename = named[3] if named[3] is not None else named[4]
    if named[5] is not None and unquote(named[5]) != filename:  # .NET writes both, the same
        _refuse("a part has two names of a file that differ")
    return Field(name, filename, headers.get("content-type", "").lower(), start, end)


def _refuse(why: str) -> NoReturn:
    raise CallerError(Reason.BODY_MALFORMED, f"The form cannot be read: {why}.")
