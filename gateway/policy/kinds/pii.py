"""`pii`: personal data in requests and answers, found by Presidio's pattern recognizers."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config.rule_options import ContentOptions
from gateway.detectors import presidio
from gateway.detectors.presidio_entities import ENTITIES, name_of
from gateway.dialects.base import Surface
from gateway.policy.content_rule import ContentRule
from gateway.policy.phrasing import counted, joined
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

_ACTIONS = {"flag": Action.FLAG, "redact": Action.REWRITE, "block": Action.BLOCK}


def _known_entity(name: str) -> str:
    if name in ENTITIES:
        return name
    close = get_close_matches(name.upper(), ENTITIES, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"unknown entity {name!r}{hint} (docs/kinds/pii.md lists all)")


def _known_action(action: Any) -> Any:
    if action == "pseudonymize":
        raise ValueError(
            "pseudonymize is not in this version; use redact, which puts <EMAIL_ADDRESS> and the "
            "like in the place of what was found"
        )
    return action


_Entity = Annotated[
    str,
    AfterValidator(_known_entity),
    WithJsonSchema({"type": "string", "enum": sorted(ENTITIES)}),
]


class PiiOptions(ContentOptions):
    """Keys of a `pii` rule. `threshold` is the least score of a finding, 0 to 1."""

    kind: Literal["pii"]
    entities: tuple[_Entity, ...] = Field(default=DEFAULT_ENTITIES, min_length=1)
    action: Annotated[Literal["flag", "redact", "block"], BeforeValidator(_known_action)] = "redact"
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)


class PiiRule(ContentRule):
    """Flags, redacts or blocks personal data."""

    kind: ClassVar[str] = "pii"
    reason: ClassVar[Reason] = Reason.PII_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    Options = PiiOptions

    def __init__(self, options: PiiOptions, ref: RuleRef, mode: Mode, workshop: Workshop) -> None:
        super().__init__(options, ref, mode, workshop)
        if options.threshold is not None:
            for name in options.entities:
                if ENTITIES[name].best < options.threshold:
                    raise ValueError(
                        f"{name} scores at most {ENTITIES[name].best}, so that threshold "
                        f"{options.threshold} would never find it; lower it or leave it out"
                    )
        self._action = _ACTIONS[options.action]
        self.scanner = presidio.scanner(frozenset(options.entities), options.threshold)

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def replacement(self, text: str, finding: Finding) -> str:
        return f"<{finding.entity}>"

    def describe(self, entities: Mapping[str, int]) -> str:
        return joined(counted(name_of(entity), n) for entity, n in sorted(entities.items()))

    advice: ClassVar[str] = "Leave it out, or put a stand-in in its place, and send again."
