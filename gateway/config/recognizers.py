"""`recognizers` of a `pii` rule: Presidio's registry of recognizers, in its own YAML.

The keys are those of presidio-analyzer 2.2.366 (`input_validation/yaml_recognizer_models.py` and
`conf/example_recognizers.yaml` there). What would be ignored is an error, and so is what needs a
language model.

Rules of this file:
- A registry is checked as a part of the policy, so that a problem has its file and line.
- The language of a text is not known: each recognizer reads every text, with the context words of
  all its languages.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from gateway.config.rule_options import Strict
from gateway.detectors.own_recognizers import FLAGS, OwnRecognizer, check_filter, check_regex
from gateway.detectors.presidio_entities import ENTITIES

MOST_RECOGNIZERS = 200
MOST_PATTERNS = 100
MOST_WORDS = 2000

CLASSES = {known.recognizer: entity for entity, known in ENTITIES.items()}
"""Presidio's own recognizers that need no language model, by class."""

Entity = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
"""An entity's name: it is in stand-ins, in metric labels and in messages."""

_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z]{2,3}(?:-[a-zA-Z]{2,4})?$")]
_Score = Annotated[float, Field(gt=0.0, le=1.0)]


def _regex(written: str) -> str:
    check_regex(written)
    return written


class PatternEntry(Strict):
    """One expression and its score."""

    name: str
    regex: Annotated[str, AfterValidator(_regex)]
    score: _Score


class LanguageEntry(Strict):
    """A language that a recognizer is for, with its context words."""

    language: _Language
    context: list[_Word] | None = None


class RecognizerEntry(Strict):
    """One recognizer: `custom` has patterns or a deny list, `predefined` is one of Presidio's."""

    name: str = Field(min_length=1)
    type: Literal["custom", "predefined"] = "custom"
    class_name: str | None = None
    enabled: bool = True
    supported_entity: Entity | None = None
    supported_entities: list[Entity] | None = Field(default=None, min_length=1, max_length=1)
    supported_language: _Language | None = None
    supported_languages: list[_Language | LanguageEntry] | None = None
    country_code: str | None = None
    patterns: list[PatternEntry] | None = Field(default=None, max_length=MOST_PATTERNS)
    deny_list: list[_Word] | None = Field(default=None, max_length=MOST_WORDS)
    deny_list_score: _Score = 1.0
    context: list[_Word] | None = None

    @field_validator("deny_list")
    @classmethod
    def _findable(cls, words: list[str] | None) -> list[str] | None:
        if words:
            import re

            check_filter("|".join(map(re.escape, words)))
        return words

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.supported_language and self.supported_languages:
            raise ValueError("give supported_language or supported_languages, not both")
        if self.type == "predefined":
            self._check_predefined()
            return self
        if self.class_name is not None:
            raise ValueError("class_name: only with `type: predefined`")
        if (self.supported_entity is None) == (self.supported_entities is None):
            raise ValueError("the key 'supported_entity' is missing, or given twice")
        if not self.patterns and not self.deny_list:
            raise ValueError("a recognizer has patterns or a deny_list")
        if self.entity in ENTITIES:
            raise ValueError(
                f"{self.entity} is one of Presidio's own entities: give yours another name"
            )
        return self

    def _check_predefined(self) -> None:
        name = self.class_name or self.name
        if name not in CLASSES:
            close = get_close_matches(name, CLASSES, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"{name!r} is no pattern recognizer of Presidio's{hint} (names and places: `ner`)"
            )
        entity = CLASSES[name]
        if self.patterns or self.deny_list:
            raise ValueError("patterns and deny_list: only with `type: custom`")
        for named in (self.supported_entity, *(self.supported_entities or ())):
            if named not in (None, entity):
                raise ValueError(f"{name} finds {entity}, under no other name")

    @property
    def entity(self) -> str:
        """What it finds."""
        if self.type == "predefined":
            return CLASSES[self.class_name or self.name]
        return self.supported_entity or (self.supported_entities or [""])[0]

    def made(self, flags: int) -> OwnRecognizer:
        """The recognizer as it is run."""
        words = list(self.context or ())
        for language in self.supported_languages or ():
            if isinstance(language, LanguageEntry):
                words += language.context or ()
        patterns = tuple((p.name, p.regex, p.score) for p in self.patterns or ())
        scores = [score for _, _, score in patterns]
        if self.deny_list:
            scores.append(self.deny_list_score)
        predefined = self.type == "predefined"
        return OwnRecognizer(
            self.entity,
            ENTITIES[self.entity].best if predefined else max(scores),
            predefined,
            patterns,
            tuple(self.deny_list or ()),
            self.deny_list_score,
            tuple(dict.fromkeys(words)),
            flags,
        )


def _flags(value: int) -> int:
    if value & ~FLAGS or value < 0:
        raise ValueError("takes 2 (ignore case), 8 (multiline), 16 (dot is all) and their sums")
    return value


class Registry(Strict):
    """A file of recognizers. `supported_countries` narrows Presidio's own ones, which here are
    chosen by `entities`."""

    recognizers: list[RecognizerEntry] = Field(min_length=1, max_length=MOST_RECOGNIZERS)
    global_regex_flags: Annotated[int, AfterValidator(_flags)] = FLAGS
    supported_languages: list[_Language] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, written: Any) -> Any:
        if isinstance(written, list):
            written = {"recognizers": written}
        if not isinstance(written, dict):
            raise ValueError(
                "expected a file beside the policy with Presidio's recognizers, or a list of them"
            )
        entries = written.get("recognizers")
        if isinstance(entries, list):  # a plain name stands for one of Presidio's own
            named = [
                {"name": entry, "type": "predefined"} if isinstance(entry, str) else entry
                for entry in entries
            ]
            return {**written, "recognizers": named}
        return written

    @field_validator("recognizers")
    @classmethod
    def _each_once(cls, entries: list[RecognizerEntry]) -> list[RecognizerEntry]:
        seen: set[str] = set()
        for entry in entries:
            if entry.enabled and entry.entity in seen:
                raise ValueError(
                    f"two recognizers for {entry.entity}: put their patterns into one, or give "
                    "one of them another name"
                )
            if entry.enabled:
                seen.add(entry.entity)
        return entries

    def made(self) -> tuple[OwnRecognizer, ...]:
        """The recognizers that are on."""
        return tuple(e.made(self.global_regex_flags) for e in self.recognizers if e.enabled)
