"""An uploaded file, and the requests in it where it is a batch's input.

Which files are text is told by their name or media type; a text file that is not valid UTF-8 is one
that no rule can read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.dialects.base import Call, Document, Segment, Surface, Unscannable
from gateway.dialects.batch import BatchCall, PartDocument
from gateway.dialects.jsondoc import JsonDocument, parse, parse_object
from gateway.dialects.jsonlines import Lines
from gateway.dialects.multipart import Field, Form
from gateway.dialects.no_model_call import NoModelCall
from gateway.dialects.openai_chat_request import ChatCall
from gateway.dialects.openai_completions import CompletionsCall
from gateway.dialects.openai_embeddings import EmbeddingsCall
from gateway.dialects.paths import dialect_for
from gateway.dialects.reading import Reader, string
from gateway.dialects.responses_request import ResponsesCall
from gateway.dialects.spelling import refuse_keys
from gateway.errors import CallerError

_TEXT_NAMES = frozenset(
    "c cc cfg conf cpp cs css csv go h hpp htm html ini java js json jsonl jsx kt log lua markdown "
    "md php pl py rb rs rst rtf scss sh sql svg swift tex toml ts tsv tsx txt xml yaml yml".split()
)
"""Extensions of files that are text."""

_TEXT_TYPES = frozenset(
    {"application/json", "application/jsonl", "application/x-ndjson", "application/xml"}
)
_LINES = frozenset({"jsonl", "ndjson"})
_CLOSED = frozenset({"purpose"})
"""Fields of the form that hold a word of the API's."""

_READERS: dict[str, Callable[[JsonDocument, str], Call]] = {
    "openai_chat": ChatCall,
    "openai_completions": CompletionsCall,
    "openai_responses": lambda document, _: ResponsesCall(document, "chat"),
    "openai_embeddings": lambda document, _: EmbeddingsCall(document),
}
"""How a line's `body` is read, by the dialect of its `url`."""


class TextFile(Document):
    """A file that is one text: `root` is `[text]`, a list for a segment to point into."""

    __slots__ = ("_whole",)

    def __init__(self, raw: bytes, whole: Document) -> None:
        """Raises UnicodeDecodeError where it is not UTF-8."""
        super().__init__([raw.decode("utf-8")], raw)
        self._whole = whole

    def touch(self) -> None:
        super().touch()
        self._whole.touch()

    def encode(self) -> bytes:
        return str(self.root[0]).encode("utf-8") if self.changed else self.raw


class FileLines(Lines):
    """A file of lines inside a form."""

    __slots__ = ("_whole",)

    def __init__(self, raw: bytes, whole: Document) -> None:
        super().__init__(raw)
        self._whole = whole

    def touch(self) -> None:
        super().touch()
        self._whole.touch()


class FileUpload(BatchCall):
    """A form that brings files. The upload itself costs nothing; its requests are judged by every
    rule but those that count what is used, for nothing is used yet.
    """

    operation = "upload"
    billable = False
    batched = False

    def __init__(self, dialect: str, form: Form) -> None:
        super().__init__(form)
        self.dialect = dialect
        self._form = form
        self._contents: list[tuple[Field, TextFile | FileLines | PartDocument]] = []
        self._lines: list[Call] = []
        purpose = ""
        for field in form.fields:
            if field.name == "purpose":
                purpose = form.content(field).decode("utf-8", "replace").strip()
        for field in form.fields:
            if field.name not in _CLOSED:
                self._read(field, purpose)
        self.take(self._lines)

    def _read(self, field: Field, purpose: str) -> None:
        form, place = self._form, field.name
        if field.filename:
            name = Document([field.filename], b"")
            self.own.append(
                Segment(name, name.root, 0, field.filename, Surface.USER, place, readonly=True)
            )
        raw = form.content(field)
        plain = field.filename is None
        if not plain and _is_lines(field, purpose) and self._read_lines(field, raw, purpose):
            return
        if not plain and _extension(field) == "json" and self._read_json(field, raw):
            return
        if plain or _is_text(field):
            self._read_text(field, raw, place)
        else:
            self.own_unscannable.append(Unscannable("file", Surface.USER, place))

    def _read_text(self, field: Field, raw: bytes, place: str) -> None:
        try:
            text = TextFile(raw, self._form)
        except UnicodeDecodeError:
            self.own_unscannable.append(Unscannable("file", Surface.USER, place))
            return
        if "\0" in text.root[0]:
            self.own_unscannable.append(Unscannable("file", Surface.USER, place))
        if text.root[0]:
            self.own.append(Segment(text, text.root, 0, text.root[0], Surface.USER, place))
        self._contents.append((field, text))

    def _read_json(self, field: Field, raw: bytes) -> bool:
        """A file of JSON, with the escapes of its strings undone; False where it is none."""
        try:
            document = PartDocument(parse(raw).root, self._form, raw)
        except CallerError:
            return False
        if type(document.root) not in (dict, list):
            return False
        reader = Reader(document)
        reader.json(document.root, Surface.USER, field.name)
        self.own += reader.segments
        self._contents.append((field, document))
        return True

    def _read_lines(self, field: Field, raw: bytes, purpose: str) -> bool:
        """Lines of JSON; False where they are not. In a batch's input every line must be."""
        lines = FileLines(raw, self._form)
        try:
            read = list(lines.read(parse_object))
        except CallerError as error:
            if purpose == "batch":
                message = f"Line {lines.at} of the file: {error}"
                raise CallerError(error.reason, message) from None
            return False
        for number, line in read:
            self._read_line(line, f"{field.name}[{number}]")
        self._contents.append((field, lines))
        return True

    def _read_line(self, line: JsonDocument, place: str) -> None:
        """A request of a batch, or any other object, of which every key and number is content."""
        root: dict[str, Any] = line.root
        reader = Reader(line)
        body, url = root.get("body"), string(root.get("url"))
        if type(body) is dict and url:
            self._read_request(reader, line, body, url, place)
            for name in root.keys() - _ENVELOPE:
                if type(root[name]) is str:
                    fixed = name == "custom_id"
                    reader.text(root, name, Surface.USER, f"{place}.{name}", readonly=fixed)
                else:
                    reader.json(root[name], Surface.USER, f"{place}.{name}")
        else:
            reader.json(root, Surface.USER, place)
        self.own += reader.segments
        self.own_unscannable += reader.unscannable

    def _read_request(
        self, reader: Reader, line: JsonDocument, body: dict[str, Any], url: str, place: str
    ) -> None:
        read = _READERS.get(dialect_for("openai", "POST", url))
        if read is None:
            reader.unknown(line.root, "body", Surface.USER, f"{place}.body")
            return
        refuse_keys(body)
        member = read(PartDocument(body, line), url)
        member.place = f"{place}.body"
        member.billable = False
        self._lines.append(member)

    def encode(self) -> bytes:
        for field, content in self._contents:
            if content.changed:
                self._form.put(field, content.encode())
        return self._form.encode()


_ENVELOPE = frozenset({"body", "url", "method"})


class OtherUpload(NoModelCall):
    """A body that is no form: JSON (a file that is named elsewhere), or one that cannot be read."""

    operation = "upload"
    names_model = False
    billable = False

    def __init__(self, dialect: str, content_type: str, body: bytes) -> None:
        self._json: JsonDocument | None = None
        if content_type.partition(";")[0].strip().lower().endswith("json"):
            self._json = parse_object(body)
        super().__init__(self._json or Document(None, body))
        self.dialect = dialect
        if self._json is None:
            self.unscannable = [Unscannable("body", Surface.USER, "body")]
        else:
            reader = Reader(self._json)
            reader.json(self._json.root, Surface.USER, "body")
            self.segments = reader.segments

    def encode(self) -> bytes:
        return self.document.raw if self._json is None else self._json.encode()


def _extension(field: Field) -> str:
    return (field.filename or "").rpartition(".")[2].lower().strip()


def _is_lines(field: Field, purpose: str) -> bool:
    """Whether a file holds JSON by lines: by its name, or because a batch's input must."""
    return purpose == "batch" or _extension(field) in _LINES


def _is_text(field: Field) -> bool:
    media = field.media_type.partition(";")[0].strip()
    if _extension(field) in _TEXT_NAMES or media in _TEXT_TYPES:
        return True
    return media.startswith("text/") and "." not in (field.filename or "")
