"""JSON by lines (JSONL): the input and the output of batches.

Rules of this file:
- A line that was not changed leaves byte for byte as it came, its line end included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.dialects.base import Document
from gateway.dialects.batch import PartDocument
from gateway.dialects.jsondoc import JsonDocument, dumps, parse_answer

_SPACE = b" \t\r\n"


class Lines(Document):
    """A document of lines. `read` makes the documents of lines, which `encode` writes back."""

    __slots__ = ("_lines", "_pieces", "at")

    def __init__(self, raw: bytes) -> None:
        super().__init__(None, raw)
        self._pieces = _split(raw)
        self._lines: dict[int, PartDocument] = {}
        self.at = 0  # the number of the line that is being read

    def read(self, parse: Callable[[bytes], JsonDocument]) -> Iterator[tuple[int, JsonDocument]]:
        """Every line that is not empty, with its number from 1. Raises what `parse` does."""
        for number, piece in enumerate(self._pieces):
            text = piece.strip(_SPACE)
            self.at = number + 1
            if text:
                line = PartDocument(parse(text).root, self, text)
                self._lines[number] = line
                yield self.at, line

    def read_all(self) -> list[JsonDocument]:
        """The lines of an answer. Raises ValueError where one is no JSON object."""
        return [line for _, line in self.read(parse_answer)]

    def encode(self) -> bytes:
        """The original bytes, but for the lines that were changed."""
        if not self.changed:
            return self.raw
        pieces = list(self._pieces)
        for number, line in self._lines.items():
            if line.changed:
                old = pieces[number]
                end = old[len(old.rstrip(b"\r\n")) :]
                line.flush()
                pieces[number] = dumps(line.root) + end
        return b"".join(pieces)


def _split(raw: bytes) -> list[bytes]:
    """Lines as JSON has them: only a line feed ends one (a lone CR is white space)."""
    pieces = raw.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
