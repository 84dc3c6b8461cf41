"""What a content-type says: the media type, its charset, its boundary."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r";\s*([A-Za-z0-9_.-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]*))")
LINES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
    }
)
"""Media types of newline-delimited JSON, by the names in use."""

_UNREAD = {"image": "image", "audio": "audio", "video": "video", "text": "encoding"}
"""What a body that is no text is called, by the first word of its type."""

_MOST = 512


class Media:
    """A parsed content-type. `type` is in lower case, "" where none was given.

    Attributes:
        charset, boundary: "" where they are not given. Of a parameter given twice nothing is
            taken: servers differ on which they take.
        json, lines, form, multipart: what the body is made of.
    """

    __slots__ = ("boundary", "charset", "form", "json", "lines", "multipart", "type")

    def __init__(self, content_type: str) -> None:
        text = content_type[:_MOST]
        self.type = text.partition(";")[0].strip().lower()
        self.charset = self.boundary = ""
        if ";" in text:
            given: dict[str, list[str]] = {}
            for found in _PARAMETER.finditer(text):
                value = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
                given.setdefault(found[1].lower(), []).append(value)
            self.charset = _only(given.get("charset"), otherwise="?")
            self.boundary = _only(given.get("boundary"), otherwise="")
        self.json = self.type in ("application/json", "text/json") or self.type.endswith("+json")
        self.lines = self.type in LINES
        self.form = self.type == "application/x-www-form-urlencoded"
        self.multipart = self.type.startswith("multipart/")


def _only(values: list[str] | None, *, otherwise: str) -> str:
    if values is None:
        return ""
    return values[0] if len(values) == 1 else otherwise


def unread_as(media: Media, *, default: str) -> str:
    """The word of `Unscannable` for a body of this type that cannot be read."""
    return _UNREAD.get(media.type.partition("/")[0], default)
