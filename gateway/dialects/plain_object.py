"""An object of an API's own, which no model has written in: a batch, a file, a place in a queue."""

from __future__ import annotations

from gateway.dialects.base import Answer, Surface
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.reading import Reader


class PlainObject(Answer):
    """Read string by string, on `user`: what it says was the caller's (metadata, a file's name)."""

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        reader = Reader(document, fresh=False)
        reader.structure(document.root, Surface.USER, "body")
        self.segments = reader.segments

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """It calls no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """It calls no tools."""
