"""`ner` of a `pii` rule: which model looks for names and places, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway.config.recognizers import Entity
from gateway.config.rule_options import Strict
from gateway.config.units import DurationField

LABELS = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "LOCATION": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
    "ORGANIZATION": "ORGANIZATION",
    "NORP": "NRP",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}
"""What models call it -> Presidio's entity, as its `conf/spacy.yaml` and `conf/transformers.yaml`
have it."""


class Ner(Strict):
    """A model and what it is asked for. Nothing is ever downloaded.

    Attributes:
        model: an absolute path; for `spacy` the name of an installed package, too.
        labels: what the model calls an entity, where `LABELS` does not have it.
        timeout: seconds in which a text must be answered.
        max_chars: longer texts are read in pieces of that many characters.
    """

    engine: Literal["spacy", "stanza", "transformers", "huggingface", "onnx"]
    model: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    entities: tuple[Entity, ...] = Field(default=("PERSON", "LOCATION"), min_length=1)
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] = "en"
    labels: dict[str, Entity] = Field(default_factory=dict)
    timeout: DurationField = 2.0
    max_chars: int = Field(default=20_000, ge=200, le=500_000)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        package = self.engine == "spacy" and self.model.isidentifier()
        if not Path(self.model).is_absolute() and not package:
            raise ValueError("model: expected an absolute path: nothing is downloaded")
        if not 0 < self.timeout <= 60:
            raise ValueError("timeout: expected more than 0 and at most 60s")
        known = {*LABELS.values(), *self.labels.values()}
        for entity in self.entities:
            if entity not in known:
                raise ValueError(
                    f"entities: no label of the model stands for {entity}: see `labels`"
                )
        return self

    @property
    def version(self) -> str:
        """The model and what it is asked for, in one line."""
        labels = ",".join(f"{label}={entity}" for label, entity in sorted(self.labels.items()))
        asked = f"{','.join(sorted(self.entities))}:{self.language}:{labels}:{self.max_chars}"
        return f"ner-{self.engine}:{self.model}:{asked}"
