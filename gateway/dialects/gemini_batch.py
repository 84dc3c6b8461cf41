"""Batches of the Gemini API: requests in one body, and what came of them.

`models.batchGenerateContent` takes `batch.inputConfig.requests.requests[]`, each with a `request`,
or the name of a file of them; a batch that is asked for later has its answers in
`inlinedResponses` (the API's guide "Batch API", as google-genai 3.4 writes and reads it).
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call, Surface
from gateway.dialects.batch import AnswerList, BatchCall, PartDocument
from gateway.dialects.gemini_answer import GeminiAnswer
from gateway.dialects.gemini_fields import each, field
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_paths import GeminiPath
from gateway.dialects.gemini_request import GeminiCall
from gateway.dialects.jsondoc import JsonDocument

_INNER = frozenset({"batch", "inputConfig"})
_HEAD = frozenset(
    "@type batchStats createTime done endTime model name nextPageToken state updateTime".split()
)
"""Fields of a batch that hold names, times and counts."""


class GeminiBatch(BatchCall):
    """Requests that are answered later. Those in a file are out of sight."""

    dialect = "gemini"
    deferred = True

    def __init__(self, document: JsonDocument, path: GeminiPath) -> None:
        """Raises CallerError where a field stands in two spellings."""
        super().__init__(document)
        self._document = document
        self._path = GeminiPath("generatecontent", "chat", path.model)
        self._members: list[Call] = []
        reader = PartReader(document, asked=True)
        self._read(reader, document.root, "")
        self.own, self.own_unscannable = reader.segments, reader.unscannable
        self.take(self._members)
        self.model = path.model
        self.names_model = not self._members  # of requests in a file only the path tells

    def _read(self, reader: PartReader, node: dict[str, Any], place: str) -> None:
        for name, spelled in reader.names(node, place.rstrip(".")).items():
            value, at = node[spelled], f"{place}{name}"
            if name in _INNER and type(value) is dict:
                self._read(reader, value, f"{at}.")
            elif name == "requests":
                for holder, key, where in each(node, spelled, at):
                    if type(inner := holder[key]) is dict and "requests" in inner:
                        self._read(reader, inner, f"{where}.")
                    else:
                        self._read_member(reader, holder, key, where)
            elif name == "fileName":
                reader.opaque("file", Surface.USER, at)
            elif type(value) is str:
                reader.text(node, spelled, Surface.USER, at)
            else:
                reader.json(value, Surface.USER, at)

    def _read_member(self, reader: PartReader, holder: Any, key: Any, place: str) -> None:
        node = holder[key]
        request = field(node, "request")
        if type(request) is not dict:
            reader.unknown(holder, key, Surface.USER, place)
            return
        member = GeminiCall(PartDocument(request, self._document), self._path)
        member.place = f"{place}.request"
        self._members.append(member)
        for name in node.keys() - {"request"}:
            if type(node[name]) is str:
                reader.text(node, name, Surface.USER, f"{place}.{name}")
            else:
                reader.json(node[name], Surface.USER, f"{place}.{name}")

    def encode(self) -> bytes:
        return self._document.encode()


class GeminiBatchAnswer(AnswerList):
    """A batch, or a list of them, with the answers that it has. Their text is rewritten, never
    blocked: nobody could ask for it in another way."""

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        reader = PartReader(document)
        stack: list[tuple[Any, str]] = [(document.root, "batch")]
        while stack:
            node, place = stack.pop()
            if type(node) is list:
                stack += [(inner, f"{place}[{number}]") for number, inner in enumerate(node)]
            elif type(node) is dict and type(node.get("candidates")) is list:
                self.add(GeminiAnswer(PartDocument(node, document)), place)
            elif type(node) is dict:
                for name in node.keys() - _HEAD:
                    if type(node[name]) is str:
                        reader.text(node, name, Surface.OUTPUT, place)
                    else:
                        stack.append((node[name], f"{place}.{name}" if name.isalnum() else place))
        self.segments += reader.segments
        for segment in self.segments:
            segment.fresh = False

    def encode(self) -> bytes:
        self.finish_inside()
        return self._document.encode()
