"""`pii`: personal data in requests and answers, found by Presidio's pattern recognizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from gateway.config.ner import Ner
from gateway.config.recognizers import Registry
from gateway.config.rule_options import ContentOptions
from gateway.detectors import presidio
from gateway.detectors.own_recognizers import OwnRecognizer
from gateway.detectors.presidio_entities import ENTITIES, name_of
from gateway.dialects.base import Surface
from gateway.exchange import Exchange
from gateway.policy.content_rule import ContentRule
from gateway.policy.names import Glob, Names
from gateway.policy.phrasing import counted, joined
from gateway.policy.pseudonymize import (
    TOOLS,
    Bound,
    PuttingAway,
    PuttingBack,
    WithoutStandIns,
    pseudonyms_of,
    scope_key,
)
from gateway.policy.rule import Workshop
from gateway.verdict import Action, Finding, Mode, Reason, RuleRef

DEFAULT_ENTITIES = (
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "US_ITIN",
)

_ACTIONS = {
    "flag": Action.FLAG,
    "redact": Action.REWRITE,
    "pseudonymize": Action.REWRITE,
    "block": Action.BLOCK,
}


def _known_entity(name: str, info: ValidationInfo) -> str:
    if "recognizers" not in info.data:
        return name  # they are wrong, and that is told: what they would find is not known
    registry = info.data["recognizers"]
    known = [*ENTITIES, *(own.entity for own in registry.made())] if registry else ENTITIES
    if name in known:
        return name
    close = get_close_matches(name.upper(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"unknown entity {name!r}{hint} (docs/kinds/pii.md lists all)")


_Entity = Annotated[
    str,
    AfterValidator(_known_entity),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": sorted(ENTITIES)},
                {"type": "string", "description": "an entity of `recognizers`"},
            ]
        }
    ),
]


_Registry = Annotated[
    Registry,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "description": "a file in Presidio's YAML, beside the policy"},
                {"type": "array", "description": "the recognizers themselves"},
                {"type": "object"},
            ]
        }
    ),
]


class PiiOptions(ContentOptions):
    """Keys of a `pii` rule. `threshold` is the least score of a finding, 0 to 1; with `context`,
    words before a weak match raise its score. `recognizers` are the operator's own; all that they
    find belongs to `entities` where that is left out. `ner` names a model that looks for names.

    The keys behind them belong to `action: pseudonymize`: what stand-ins look like, for whom they
    stay the same, where they are put back and for which tools they are not, and what happens to
    personal data in an answer that was never in the request.
    """

    kind: Literal["pii"]
    recognizers: _Registry | None = None  # before `entities`, which may name what it finds
    entities: tuple[_Entity, ...] = Field(default=DEFAULT_ENTITIES, min_length=1)
    ner: Ner | None = None
    action: Literal["flag", "redact", "pseudonymize", "block"] = "redact"
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    context: bool = True
    stand_ins: Literal["typed", "plausible"] = "typed"
    scope: Literal["session", "tenant"] = "session"
    restore: tuple[Literal["output", "tool_call"], ...] = ("output", "tool_call")
    restore_except: tuple[Glob, ...] = ()
    on_leak: Literal["flag", "redact", "block"] = "flag"

    @property
    def own(self) -> tuple[OwnRecognizer, ...]:
        """The recognizers that the operator brings."""
        return self.recognizers.made() if self.recognizers is not None else ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """All entities that are looked for."""
        if "entities" in self.model_fields_set:
            return self.entities
        return tuple(dict.fromkeys((*self.entities, *(each.entity for each in self.own))))

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        if self.action != "pseudonymize":
            given = sorted(_STAND_IN_KEYS & self.model_fields_set)
            if given:
                raise ValueError(f"{', '.join(given)}: only with `action: pseudonymize`")
        return self


_RESTORED = {
    # All that the agent is given to read: reasons, and what the provider's own tools gave, too.
    "output": frozenset(
        {Surface.OUTPUT, Surface.REASONING, Surface.TOOL_RESULT, Surface.TOOL_DEFINITION}
    ),
    "tool_call": frozenset({Surface.TOOL_CALL}),
}
_STAND_IN_KEYS = {"stand_ins", "scope", "restore", "restore_except", "on_leak"}


class PiiRule(ContentRule):
    """Flags, redacts, pseudonymizes or blocks personal data."""

    kind: ClassVar[str] = "pii"
    reason: ClassVar[Reason] = Reason.PII_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    Options = PiiOptions

    def __init__(self, options: PiiOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        if options.threshold is not None:
            for name in options.wanted:
                most = presidio.best(name, context=options.context, own=options.own)
                if most < options.threshold:
                    raise ValueError(
                        f"{name} scores at most {most:g}, so that threshold "
                        f"{options.threshold} would never find it; lower it or leave it out"
                    )
        self._action = _ACTIONS[options.action]
        self.scanner = presidio.scanner(
            frozenset(options.wanted), options.threshold, options.context, options.own
        )
        self._least = options.threshold or 0.0
        named: tuple[str, ...] = ()
        if options.ner is not None:
            self.reader = self.workshop.reader_of(options.ner)
            named = options.ner.entities
        self.per_call = options.action == "pseudonymize"
        if self.per_call:
            self._plausible = options.stand_ins == "plausible"
            self._scope = options.scope
            self._leak = _ACTIONS[options.on_leak]
            self._spares = Names(options.restore_except).has if options.restore_except else None
            self._restored = frozenset().union(*(_RESTORED[name] for name in options.restore))
            self._kinds = frozenset((name, self._plausible) for name in (*options.wanted, *named))
            self._new = WithoutStandIns(self.scanner, self._kinds)

    def on_call(self, exchange: Exchange) -> ContentRule:
        if exchange.target is not None and exchange.target.provider in TOOLS:
            return Bound(self, self.scanner, Action.FLAG)
        key = scope_key(self.workshop.pseudonym_key, self._scope, exchange)
        return PuttingAway(self, self._new, pseudonyms_of(exchange), key, self._plausible)

    def on_answer_to(self, exchange: Exchange) -> Sequence[ContentRule]:
        if exchange.target is not None and exchange.target.provider in TOOLS:
            return (Bound(self, self.scanner, Action.FLAG),)
        leak = Bound(self, self._new, self._leak)
        known = exchange.pseudonyms
        stand_ins = known.scanner(self._kinds) if known is not None else None
        if known is None or stand_ins is None or not self._restored:
            return (leak,)
        return leak, PuttingBack(self, known, stand_ins, self._restored, self._spares)

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def combined(
        self, text: str, findings: Sequence[Finding], read: Sequence[Finding]
    ) -> Sequence[Finding]:
        least = self._least
        return super().combined(text, findings, [f for f in read if f.score >= least])

    def replacement(self, text: str, finding: Finding) -> str:
        return f"<{finding.entity}>"

    def describe(self, entities: Mapping[str, int]) -> str:
        return joined(counted(name_of(entity), n) for entity, n in sorted(entities.items()))

    advice: ClassVar[str] = "Leave it out, or put a stand-in in its place, and send again."
