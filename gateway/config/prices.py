"""What an operator really pays: the `prices` part of the policy file.

A price is given whole (`input` and `output`), as that of a known model (`like`), or as a `discount`
on whatever the packaged table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import StringConstraints, model_validator

from gateway.config.rule_options import Strict
from gateway.config.units import CountField, DollarsField, TimesField

PricedModel = Annotated[str, StringConstraints(pattern=r"^[^*]{1,120}\*?$")]
"""A model's name, or the start of names with a `*` at its end."""


class Above(Strict):
    """With more input tokens than this, the whole request costs so much of the usual rates."""

    tokens: CountField
    input: TimesField
    output: TimesField


class Price(Strict):
    """Dollars for a million tokens, in nano-dollars. What is left out costs what `input` does
    (the cache's reads and writes), or what the count does that it is a part of; with `like`, what
    it costs there."""

    like: Annotated[str, StringConstraints(min_length=1, max_length=120)] | None = None
    discount: TimesField | None = None
    input: DollarsField | None = None
    output: DollarsField | None = None
    cache_read: DollarsField | None = None
    cache_write: DollarsField | None = None
    cache_write_1h: DollarsField | None = None
    reasoning: DollarsField | None = None
    audio_input: DollarsField | None = None
    audio_cache_read: DollarsField | None = None
    audio_output: DollarsField | None = None
    image_input: DollarsField | None = None
    image_output: DollarsField | None = None
    video_input: DollarsField | None = None
    search: DollarsField | None = None
    fee: DollarsField | None = None
    batch: TimesField | None = None
    priority: TimesField | None = None
    flex: TimesField | None = None
    fast: TimesField | None = None
    us: TimesField | None = None
    above: Above | None = None
    context: CountField | None = None
    max_output: CountField | None = None

    @model_validator(mode="after")
    def _whole(self) -> Price:
        given = self.model_fields_set
        if self.discount is not None:
            if given != {"discount"}:
                raise ValueError("`discount` stands alone: it is taken off every rate of the table")
            if self.discount > 1:
                raise ValueError("a `discount` is at most 100%")
        elif self.like is None and not {"input", "output"} <= given:
            raise ValueError("give `input` and `output`, or `like` a model, or a `discount`")
        return self

    @property
    def rates(self) -> Mapping[str, int]:
        """What is given of tokens that every model charges for, in nano-dollars for a million."""
        return self._given(("input", "output", "cache_read", "cache_write", "cache_write_1h"))

    @property
    def parts(self) -> Mapping[str, int]:
        """What is given of sorts of tokens that few models price apart."""
        return self._given(
            (
                "reasoning",
                "audio_input",
                "audio_cache_read",
                "audio_output",
                "image_input",
                "image_output",
                "video_input",
            )
        )

    @property
    def bounds(self) -> Mapping[str, int]:
        """What is given of the model's bounds, and of what is charged by the piece."""
        return self._given(("context", "max_output", "search", "fee"))

    @property
    def modes(self) -> Mapping[str, Fraction]:
        """What is given of ways of being served."""
        return self._given(("priority", "flex", "fast", "us"))

    @property
    def long(self) -> tuple[int, Fraction, Fraction] | None:
        """From how many tokens on a request is dearer, and how much: input, output."""
        step = self.above
        return (step.tokens, step.input, step.output) if step is not None else None

    def _given(self, names: tuple[str, ...]) -> dict[str, Any]:
        values = ((name, getattr(self, name)) for name in names)
        return {name: value for name, value in values if value is not None}
