"""A request to the Gemini API: a conversation to go on with, to count, or to put by.

What each field is read as stands in docs/dialects-gemini.md.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call, Surface
from gateway.dialects.gemini_body import NESTED, GenerateBody
from gateway.dialects.gemini_fields import camel, field, unique_fields
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_paths import GeminiPath, plain_model, with_model
from gateway.dialects.json_array import ARRAY
from gateway.dialects.jsondoc import JsonDocument
from gateway.dialects.token_estimate import likely_in

PER_REQUEST = 64
PER_IMAGE = 50_000
"""Tokens allowed beside the bytes of the body. A picture counts 258 tokens for each tile of 768 by
768 points ("Understand and count tokens" in the API's docs): 50,000 are those of 10,000 by 10,000.
"""

LIKELY_IMAGE = 1_120
"""Tokens of one picture, as an estimate: Gemini 3 at high resolution ("Media resolution")."""

GENERATION = frozenset(
    "candidateCount frequencyPenalty logprobs maxOutputTokens mediaResolution presencePenalty "
    "responseLogprobs responseMimeType seed temperature topK topP".split()
)
"""What a `model` rule may force that stands in `generationConfig`, not beside it."""


class GeminiCall(Call):
    """See `Call`. The model and what is asked for stand in the path.

    Raises CallerError where a field stands in two spellings.
    """

    dialect = "gemini"

    def __init__(
        self, document: JsonDocument, path: GeminiPath, asked: str = "", *, readable: bool = True
    ) -> None:
        """`asked`: the raw path. `readable` False: the query says that the body is no JSON,
        whatever it looks like."""
        super().__init__(document)
        self._asked = asked
        self._renamed = ""
        self._document = document
        self._root: dict[str, Any] = document.root
        self.operation = path.operation
        self.stream = path.stream
        self.billable = path.operation != "count_tokens"
        self.readable_answer = path.operation == "chat"
        if path.stream:
            self.framings = {"application/json": ARRAY}
        reader = PartReader(document, asked=True)
        self._bodies = [GenerateBody(self._root, "", reader, self.steps)]
        if type(inner := field(self._root, NESTED)) is dict:
            self._bodies.append(GenerateBody(inner, f"{NESTED}.", reader, self.steps))
        self._named = [plain_model(body.model) for body in self._bodies if body.model]
        self.model = path.model or next(iter(self._named), "")
        self._settle()
        if not readable:
            reader.opaque("body", Surface.USER, "body")
        self.segments = reader.segments
        self.unscannable = reader.unscannable
        self._images = reader.images
        self._media_bytes = reader.media_bytes
        self._hidden = reader.unbounded or not readable

    def _settle(self) -> None:
        """What follows from the bodies as they are now."""
        limits = [body.max_output for body in self._bodies if body.max_output is not None]
        self.max_output = max(limits) if limits else None
        self.choices = max(body.choices for body in self._bodies)
        self.tools = [
            tool for body in self._bodies if body.tools is not None for tool in body.tools.declared
        ]

    # --- writing ---

    def encode(self) -> bytes:
        return self._document.encode()

    def target(self, path: str) -> str:
        return (with_model(path, self._renamed) if self._renamed else None) or path

    def rename_model(self, name: str) -> bool:
        """In the path, and in the body where that names it too."""
        if with_model(self._asked, name) is None or field(self._root, "cachedContent") is not None:
            return False
        self.model = self._renamed = name
        for body in self._bodies:
            body.rename_model(name)
        self._named = [name for _ in self._named]
        return True

    def conclude(self, note: str) -> bool:
        """What Google runs by itself goes: the configuration holds for functions alone. A cached
        conversation has its own, which no request can change."""
        if field(self._root, "cachedContent") is not None:
            return False
        self.remove_tools(frozenset(tool.name for tool in self.tools if tool.hosted))
        self._bodies[0].conclude(note, functions=bool(self.tools))
        return True

    def set_max_output(self, tokens: int) -> None:
        if self.operation == "chat":
            self._bodies[0].set("maxOutputTokens", tokens)
            self._settle()

    def force_field(self, path: str, value: Any) -> None:
        """A setting of generation goes into `generationConfig`, any other beside it."""
        name = camel(path)
        present = self.get_field(path)
        if type(present) is type(value) and present == value:
            return
        if name in GENERATION:
            self._bodies[0].set(name, value)
            self._settle()
            return
        self._root[unique_fields(self._root, "").get(name, name)] = value
        self._document.touch()

    def get_field(self, path: str) -> Any:
        """A field in either spelling. `models`: those that the body names beside the path's."""
        if path == "models":
            return [name for name in self._named if name != self.model]
        name = camel(path)
        return self._bodies[0].setting(name) if name in GENERATION else field(self._root, name)

    def remove_tools(self, names: frozenset[str]) -> None:
        gone: tuple[str, ...] = ()
        for body in self._bodies:
            if body.tools is not None:
                gone += body.tools.remove(names)
        if gone:
            self.segments = [s for s in self.segments if not s.place.startswith(gone)]
            self._settle()
            self._document.touch()

    # --- measures ---

    def input_bound(self) -> int:
        """All bytes of the body but pictures' data, which have an allowance instead."""
        if self._hidden or any(tool.hosted for tool in self.tools):
            return -1
        size = len(self._document.raw)
        if self._document.changed:
            size = max(size, len(self.encode()))
        return size - self._media_bytes + PER_REQUEST + PER_IMAGE * self._images

    def input_estimate(self) -> int:
        return likely_in(self.segments) + LIKELY_IMAGE * self._images
