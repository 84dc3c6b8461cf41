"""Embeddings of the Gemini API: contents in, vectors out. Never streamed."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Answer, Call, Surface
from gateway.dialects.gemini_body import read_content
from gateway.dialects.gemini_fields import camel, each, field, unique_fields
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_paths import GeminiPath, plain_model
from gateway.dialects.gemini_usage import read_usage
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.reading import string
from gateway.dialects.token_estimate import likely_in

PER_REQUEST = 64
"""Tokens allowed beside the bytes of the body, whose JSON is longer than any framing."""

_SETTINGS = frozenset({"autoTruncate", "outputDimensionality", "taskType"})


class EmbedCall(Call):
    """`embedContent`, `batchEmbedContents` and, answered later, `asyncBatchEmbedContent`."""

    dialect = "gemini"
    operation = "embeddings"

    def __init__(self, document: JsonDocument, path: GeminiPath) -> None:
        """Raises CallerError where a field stands in two spellings."""
        super().__init__(document)
        self._document = document
        self._root: dict[str, Any] = document.root
        self._named: list[str] = []
        self.max_output = 0
        self.deferred = self.batched = path.method == "asyncbatchembedcontent"
        self.readable_answer = not self.deferred
        reader = PartReader(document, asked=True)
        self._read(reader, self._root, "")
        self.model = path.model or next(iter(self._named), "")
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self._unbounded = bool(reader.unbounded or reader.images)

    def _read(self, reader: PartReader, node: dict[str, Any], place: str) -> None:
        """A request, or what holds requests: `requests`, or those of a `batch`."""
        for name, spelled in reader.names(node, place.rstrip(".")).items():
            value, at = node[spelled], f"{place}{name}"
            if name == "model":
                self._named.append(plain_model(string(value)))
            elif name == "content" or name == "contents":
                for holder, key, where in each(node, spelled, at):
                    read_content(reader, holder, key, Surface.USER, where)
            elif name in ("requests", "request", "batch", "inputConfig", "embedContentConfig"):
                for holder, key, where in each(node, spelled, at):
                    if type(holder[key]) is dict:
                        self._read(reader, holder[key], f"{where}.")
                    else:
                        reader.unknown(holder, key, Surface.USER, where)
            elif name == "fileName":
                reader.opaque("file", Surface.USER, at)
            elif type(value) is str and name not in _SETTINGS:
                reader.text(node, spelled, Surface.USER, at)
            else:
                reader.json(value, Surface.USER, at)

    def encode(self) -> bytes:
        return self._document.encode()

    def set_max_output(self, tokens: int) -> None:
        """Embeddings have no output tokens to cap."""

    def force_field(self, path: str, value: Any) -> None:
        name = camel(path)
        if field(self._root, name) != value:
            self._root[unique_fields(self._root, "").get(name, name)] = value
            self._document.touch()

    def get_field(self, path: str) -> Any:
        """A field in either spelling. `models`: those that the body names beside the path's."""
        if path == "models":
            return [name for name in dict.fromkeys(self._named) if name != self.model]
        return field(self._root, camel(path))

    def remove_tools(self, names: frozenset[str]) -> None:
        """Embeddings declare no tools."""

    def input_bound(self) -> int:
        """All bytes of the body: a token is at least one byte of text. Media have no bound."""
        return -1 if self._unbounded else len(self._document.raw) + PER_REQUEST

    def input_estimate(self) -> int:
        return likely_in(self.segments)


class EmbedAnswer(Answer):
    """Vectors and usage; there is no text in it."""

    def __init__(self, document: JsonDocument) -> None:
        """Raises ValueError where the document has no vectors."""
        super().__init__(document)
        self._document = document
        root: dict[str, Any] = document.root
        if not {"embedding", "embeddings", "predictions", "error"} & root.keys():
            raise ValueError("no embeddings")
        self.usage = read_usage(None, field(root, "usageMetadata"))

    def encode(self) -> bytes:
        return self._document.encode()

    def remove_tool_calls(self, keys: frozenset[str], notice: str) -> None:
        """Embeddings call no tools."""

    def replace_arguments(self, key: str, arguments: str) -> None:
        """Embeddings call no tools."""
