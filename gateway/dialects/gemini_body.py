"""One `GenerateContentRequest` of the Gemini API: what it says, and what of it can be set.

What each field is read as stands in docs/dialects-gemini.md.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Step, StepKind, Surface
from gateway.dialects.gemini_fields import each, field, listed, unique_fields, whole
from gateway.dialects.gemini_parts import PartReader
from gateway.dialects.gemini_tools import ToolList, read_schema
from gateway.dialects.reading import string

_SKIPPED = frozenset(
    "contents generationConfig model safetySettings serviceTier store systemInstruction "
    "tools".split()
)
"""Fields that hold no text, or that are read apart."""

NESTED = "generateContentRequest"
"""Where a request to count tokens may hold the request that is counted."""

_SCHEMAS = frozenset("responseSchema responseJsonSchema _responseJsonSchema responseFormat".split())
_SETTINGS = frozenset("mediaResolution responseMimeType responseModalities thinkingConfig".split())
"""Fields of `generationConfig`: schemas of the answer, and such as hold closed words."""

_MODEL, _HUMAN = StepKind.MODEL, StepKind.HUMAN


class GenerateBody:
    """One `GenerateContentRequest`: what it says, and what of it can be set."""

    __slots__ = (
        "_document",
        "_names",
        "_place",
        "_root",
        "choices",
        "max_output",
        "model",
        "tools",
    )

    def __init__(
        self, root: dict[str, Any], place: str, reader: PartReader, steps: list[Step]
    ) -> None:
        """Reads into `reader` and `steps`. `place` is "" or ends in a point.

        Raises CallerError where a field stands there in two spellings.
        """
        self._document = reader.document
        self._root = root
        self._place = place
        self._names = names = reader.names(root, place.rstrip("."))
        self.model = string(root.get("model"))
        self._read_settings()
        contents = names.get("contents")
        turns = list(each(root, contents, f"{place}contents")) if contents else []
        answered = _last_answer(turns)
        reader.fresh = answered < 0
        if system := names.get("systemInstruction"):
            for holder, key, where in each(root, system, f"{place}systemInstruction"):
                read_content(reader, holder, key, Surface.SYSTEM, where)
        answer: Step | None = None
        for number, (holder, key, where) in enumerate(turns):
            reader.fresh = number > answered
            answer = _read_turn(reader, holder, key, where, steps, answer)
        reader.fresh = answered < 0
        self.tools: ToolList | None = None
        if given := names.get("tools"):
            self.tools = ToolList(root, given, f"{place}tools", reader)
        self._read_others(reader)

    def _read_settings(self) -> None:
        settings = field(self._root, "generationConfig")
        self.max_output = whole(field(settings, "maxOutputTokens"))
        self.choices = max(whole(field(settings, "candidateCount")) or 1, 1)

    def _read_others(self, reader: PartReader) -> None:
        root = self._root
        for name, spelled in self._names.items():
            value, at = root[spelled], f"{self._place}{name}"
            if name in _SKIPPED or (name == NESTED and type(value) is dict):
                continue
            if name in ("cachedContent", "continuationToken"):
                reader.opaque("history", Surface.USER, at)
            elif name == "toolConfig":
                self._read_choice(reader, value, at)
            elif type(value) is str:
                reader.text(root, spelled, Surface.USER, at)
            else:
                reader.json(value, Surface.USER, at)
        settings = field(root, "generationConfig")
        if type(settings) is dict:
            self._read_generation(reader, settings, f"{self._place}generationConfig")

    @staticmethod
    def _read_choice(reader: PartReader, value: Any, place: str) -> None:
        """Which functions may be called is for the tool rules; the rest is read."""
        if type(value) is dict:
            for name, spelled in reader.names(value, place).items():
                if name != "functionCallingConfig":
                    reader.json(value[spelled], Surface.USER, place)

    @staticmethod
    def _read_generation(reader: PartReader, settings: dict[str, Any], place: str) -> None:
        for name, spelled in reader.names(settings, place).items():
            value = settings[spelled]
            if name in _SCHEMAS and type(value) in (dict, list):
                read_schema(reader, value, f"{place}.{name}")
            elif name in _SETTINGS:
                continue
            elif type(value) is str:
                reader.text(settings, spelled, Surface.USER, f"{place}.{name}")
            else:
                reader.json(value, Surface.USER, f"{place}.{name}")

    def setting(self, name: str) -> Any:
        """A field of `generationConfig`, by its camelCase name."""
        return field(field(self._root, "generationConfig"), name)

    def set(self, name: str, value: Any) -> None:
        """Write a field into `generationConfig`, in the spelling in which it is there."""
        spelled = unique_fields(self._root, "").get("generationConfig", "generationConfig")
        settings = self._root.get(spelled)
        if type(settings) is not dict:
            settings = self._root[spelled] = {}
        names = unique_fields(settings, "generationConfig")
        settings[names.get(name, name)] = value
        self._document.touch()
        self._read_settings()

    def rename_model(self, name: str) -> None:
        if self.model:
            self._root["model"] = f"models/{name}"
            self.model = name
            self._document.touch()

    def conclude(self, note: str, *, functions: bool) -> None:
        """Let no function be called, and tell the model so behind what the system says."""
        names = unique_fields(self._root, "")
        if functions:
            spelled = names.get("toolConfig", "toolConfig")
            config = self._root.get(spelled)
            kept = config if type(config) is dict else {}
            inner = unique_fields(kept, "toolConfig").get("functionCallingConfig")
            self._root[spelled] = {
                **{key: value for key, value in kept.items() if key != inner},
                "functionCallingConfig": {"mode": "NONE"},
            }
        spelled = names.get("systemInstruction", "systemInstruction")
        system = self._root.get(spelled)
        if system is None or type(system) is dict:
            self._root[spelled] = {"parts": [*listed(system, "parts"), {"text": note}]}
        self._document.touch()


def read_content(reader: PartReader, holder: Any, key: Any, surface: Surface, place: str) -> None:
    """A content; some servers take its text alone."""
    if type(holder[key]) is str:
        reader.text(holder, key, surface, place)
    else:
        reader.content(holder, key, surface, place)


def _read_turn(
    reader: PartReader, holder: Any, key: Any, place: str, steps: list[Step], answer: Step | None
) -> Step | None:
    """One content of the conversation; without a role it is the user's.

    `answer` is the model's step that the content before belongs to; so is what is given back.
    """
    node = holder[key]
    if _role(node) == "model":
        if answer is None:
            answer = Step(_MODEL)
            steps.append(answer)
            reader.pending = []
    else:
        answer = None
    reader.calls, reader.results = [], []
    surface = Surface.ASSISTANT if answer is not None else Surface.USER
    read_content(reader, holder, key, surface, place)
    if answer is not None:
        answer.calls += reader.calls
    steps += reader.results
    if answer is None and _human(node):
        steps.append(Step(_HUMAN))
    return answer


def _role(node: Any) -> str:
    return string(field(node, "role")).strip().lower()


def _human(node: Any) -> bool:
    """Whether a content of the user's holds anything beside the results of calls."""
    parts = listed(node, "parts")
    return not parts or any(field(part, "functionResponse") is None for part in parts)


def _last_answer(turns: list[tuple[Any, Any, str]]) -> int:
    """The number of the model's last content that something follows, -1 without one.

    (What stands last in the model's name is the caller's own beginning of the next answer.)
    """
    followed = False
    for number in range(len(turns) - 1, -1, -1):
        holder, key, _ = turns[number]
        if _role(holder[key]) != "model":
            followed = True
        elif followed:
            return number
    return -1
