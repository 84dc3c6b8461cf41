"""`secrets`: keys, tokens and passwords, known by their formats."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.config.rule_options import ContentOptions
from gateway.detectors.secrets import ENTITIES, scanner
from gateway.dialects.base import Surface
from gateway.policy.content_rule import ContentRule
from gateway.policy.phrasing import counted, joined
from gateway.policy.rule import Workshop
from gateway.verdict import Action, Finding, Mode, Reason, RuleRef

_ACTIONS = {"flag": Action.FLAG, "redact": Action.REWRITE, "block": Action.BLOCK}


def _known_format(name: str) -> str:
    if name in ENTITIES:
        return name
    close = get_close_matches(name.upper(), ENTITIES, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"unknown format {name!r}{hint} (docs/kinds/secrets.md lists all)")


_Formats = tuple[Annotated[str, AfterValidator(_known_format)], ...]


class SecretsOptions(ContentOptions):
    """Keys of a `secrets` rule: `only` some formats, or all `except` some.

    `checksum: strict` leaves out keys whose own checksum fails.
    """

    kind: Literal["secrets"]
    action: Literal["flag", "redact", "block"] = "block"
    only: _Formats | None = None
    except_: _Formats | None = Field(default=None, alias="except")
    checksum: Literal["any", "strict"] = "any"

    @model_validator(mode="after")
    def _one_of_both(self) -> SecretsOptions:
        if self.only is not None and self.except_ is not None:
            raise ValueError("give only or except, not both")
        if self.only == () or set(self.except_ or ()) == set(ENTITIES):
            raise ValueError("this leaves no format to look for")
        return self


class SecretsRule(ContentRule):
    """Flags, redacts or blocks credentials."""

    kind: ClassVar[str] = "secrets"
    reason: ClassVar[Reason] = Reason.SECRET_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    Options = SecretsOptions

    def __init__(
        self, options: SecretsOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        self._action = _ACTIONS[options.action]
        wanted = set(options.only or ENTITIES) - set(options.except_ or ())
        self.scanner = scanner(frozenset(wanted), strict=options.checksum == "strict")

    def action_on(self, surface: Surface) -> Action:
        return self._action

    def replacement(self, text: str, finding: Finding) -> str:
        return f"<{finding.entity}>"

    def describe(self, entities: Mapping[str, int]) -> str:
        return joined(counted(ENTITIES[entity], n) for entity, n in sorted(entities.items()))
