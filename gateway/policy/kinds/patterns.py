"""`patterns`: an operator's own phrases and RE2 expressions, on any surface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.config.rule_options import ContentOptions, Strict
from gateway.detectors.phrases import Named, phrase, problem_of, scanner
from gateway.dialects.base import Surface
from gateway.policy.content_rule import ContentRule
from gateway.policy.phrasing import joined
from gateway.policy.rule import Workshop
from gateway.verdict import Action, Mode, Reason, RuleRef

_ACTIONS = {"flag": Action.FLAG, "redact": Action.REWRITE, "block": Action.BLOCK}

MOST = 500
"""Phrases, or expressions, of one rule: each takes milliseconds to load, and room in one
automaton."""

_PHRASE = "phrase-"


def _usable(regex: str) -> str:
    problem = problem_of(regex)
    if problem is not None:
        raise ValueError(problem)
    return regex


_Phrase = Annotated[str, Field(min_length=2, max_length=512, pattern=r"\S")]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class Expression(Strict):
    """One RE2 expression. `name` stands in replies, metrics and records."""

    name: _Name
    re2: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_usable)]


class PatternsOptions(ContentOptions):
    """Keys of a `patterns` rule: phrases to `deny`, and `expressions`, at least one of both.

    `longest` is the longest match in characters that is found whatever way a stream is cut.
    """

    kind: Literal["patterns"]
    deny: tuple[_Phrase, ...] = Field(default=(), max_length=MOST)
    case_sensitive: bool = False
    expressions: tuple[Expression, ...] = Field(default=(), max_length=MOST)
    action: Literal["flag", "redact", "block"] = "block"
    longest: int = Field(default=512, ge=16, le=4096)

    @model_validator(mode="after")
    def _something(self) -> PatternsOptions:
        if not self.deny and not self.expressions:
            raise ValueError("give deny or expressions: there is nothing to look for")
        names = [expression.name for expression in self.expressions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expressions need names of their own; twice: {', '.join(twice)}")
        for name in names:
            if name.startswith(_PHRASE):
                raise ValueError(
                    f"{name} is what a phrase is called; name the expression otherwise"
                )
        return self


class PatternsRule(ContentRule):
    """Flags, redacts or blocks what an operator forbids."""

    kind: ClassVar[str] = "patterns"
    reason: ClassVar[Reason] = Reason.PATTERN_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    Options = PatternsOptions

    def __init__(
        self, options: PatternsOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        self._action = _ACTIONS[options.action]
        # By number: a phrase may be the very thing that must not stand in a reply or a log.
        named = [
            Named(f"{_PHRASE}{number}", phrase(text, case_sensitive=options.case_sensitive))
            for number, text in enumerate(options.deny, 1)
        ]
        named += [Named(expression.name, expression.re2) for expression in options.expressions]
        self.scanner = scanner(tuple(named), options.longest)

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def describe(self, entities: Mapping[str, int]) -> str:
        return joined(f"the forbidden pattern {entity}" for entity in sorted(entities))
