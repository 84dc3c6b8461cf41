"""What a stored file holds: the output of a batch, read line by line; a text; or neither.

Its text was made earlier and by many requests at once, so it is rewritten where a rule would block:
one line must not keep all others away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.dialects.base import Answer, Document, Segment, Surface, Unscannable
from gateway.dialects.batch import AnswerList, PartDocument
from gateway.dialects.jsondoc import JsonDocument, parse_answer
from gateway.dialects.jsonlines import Lines
from gateway.dialects.openai_chat import ChatAnswer
from gateway.dialects.openai_completions import CompletionsAnswer
from gateway.dialects.reading import Reader, string
from gateway.dialects.responses_answer import ResponsesAnswer

_ANSWERS: dict[str, Callable[[JsonDocument], Answer]] = {
    "chat.completion": ChatAnswer,
    "text_completion": CompletionsAnswer,
    "response": ResponsesAnswer,
}
_PLAIN = frozenset({"id", "custom_id", "response"})
_OF_RESPONSE = frozenset({"body", "request_id", "status_code"})


class FileContent(AnswerList):
    """See the file."""

    def __init__(self, body: bytes) -> None:
        self._lines = _lines(body)
        super().__init__(self._lines or Document(None, body))
        self._text: Document | None = None
        self._json: PartDocument | None = None
        if self._lines is not None:
            for number, line in enumerate(self._lines.lines):
                self._read_line(line, f"line {number + 1}")
        elif (root := _object(body)) is not None:
            self._json = PartDocument(root, self.document, body)
            self._read_line(self._json, "content")
        else:
            self._read_text(body)
        for segment in self.segments:
            segment.fresh = False

    def _read_line(self, line: JsonDocument, place: str) -> None:
        """A result of a batch, or any other object, of which every key and number is content."""
        root: dict[str, Any] = line.root
        reader = Reader(line, fresh=False)
        response = root.get("response")
        body = response.get("body") if type(response) is dict else None
        if type(response) is dict and type(body) is dict:
            self._read_body(reader, line, body, f"{place}.response.body")
            for holder, plain in ((root, _PLAIN), (response, _OF_RESPONSE)):
                for name in holder.keys() - plain:
                    if type(holder[name]) is str:
                        reader.text(holder, name, Surface.OUTPUT, f"{place}.{name}")
                    else:
                        reader.json(holder[name], Surface.OUTPUT, f"{place}.{name}")
        else:
            reader.json(root, Surface.OUTPUT, place)
        self.segments += reader.segments
        self.unscannable += reader.unscannable

    def _read_body(
        self, reader: Reader, line: JsonDocument, body: dict[str, Any], place: str
    ) -> None:
        read = _ANSWERS.get(string(body.get("object")))
        if read is not None:
            try:
                answer = read(PartDocument(body, line))
            except ValueError:
                pass
            else:
                self.add(answer, place)
                return
        reader.json(body, Surface.OUTPUT, place)

    def _read_text(self, body: bytes) -> None:
        """A file's content without its name: read where it is text, and named all the same."""
        self.unscannable.append(Unscannable("file", Surface.OUTPUT, "content"))
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return
        if text and "\0" not in text:
            document = self._text = self.document
            document.root = [text]
            self.segments.append(
                Segment(document, document.root, 0, text, Surface.OUTPUT, "content")
            )

    def encode(self) -> bytes:
        if self._lines is not None:
            self.finish_inside()
            return self._lines.encode()
        if self._json is not None:
            return self._json.encode()
        if self._text is not None and self._text.changed:
            return str(self._text.root[0]).encode("utf-8")
        return self.document.raw


def _lines(body: bytes) -> ReadLines | None:
    """The file as lines, each a JSON object; None where it is something else."""
    try:
        return ReadLines(body)
    except ValueError:
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    """The file as one object over several lines; None where it is something else."""
    try:
        root: dict[str, Any] = parse_answer(body).root
    except ValueError:
        return None
    return root


class ReadLines(Lines):
    """Lines of an answer, all parsed."""

    __slots__ = ("lines",)

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.lines = self.read_all()
