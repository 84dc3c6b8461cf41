"""`injection`: instructions that somebody else put where the model reads data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from gateway.config.rule_options import ContentOptions
from gateway.detectors.signature_words import GROUPS
from gateway.detectors.signatures import DEFAULT_THRESHOLD, scanner
from gateway.dialects.base import Surface
from gateway.policy.content_rule import ContentRule
from gateway.policy.phrasing import joined
from gateway.policy.rule import Workshop
from gateway.verdict import Action, Mode, Reason, RuleRef

_ACTIONS = {"flag": Action.FLAG, "replace": Action.REWRITE, "block": Action.BLOCK}

FOREIGN = frozenset({Surface.TOOL_RESULT})
"""Surfaces whose passages are replaced where a rule names no action; elsewhere they are flagged,
for there they are the words of a person or of the agent's author."""


class InjectionOptions(ContentOptions):
    """Keys of an `injection` rule. `threshold` is the weight from which a passage counts."""

    kind: Literal["injection"]
    action: Literal["flag", "replace", "block"] | None = None
    threshold: float = Field(default=DEFAULT_THRESHOLD, gt=0.0, le=1.0)


class InjectionRule(ContentRule):
    """Flags, replaces or blocks passages that try to steer the model."""

    kind: ClassVar[str] = "injection"
    reason: ClassVar[Reason] = Reason.INJECTION_FOUND
    default_surfaces: ClassVar[frozenset[Surface]] = frozenset(
        {Surface.USER, Surface.TOOL_RESULT, Surface.TOOL_DEFINITION}
    )
    Options = InjectionOptions

    def __init__(
        self, options: InjectionOptions, ref: RuleRef, mode: Mode, workshop: Workshop
    ) -> None:
        super().__init__(options, ref, mode, workshop)
        self._action = _ACTIONS[options.action] if options.action is not None else None
        self.scanner = scanner(options.threshold)

    def action_on(self, surface: Surface) -> Action:
        if self._action is not None:
            return self._action
        return Action.REWRITE if surface in FOREIGN else Action.FLAG

    def describe(self, entities: Mapping[str, int]) -> str:
        return joined(GROUPS[group] for group in GROUPS if group in entities)

    advice: ClassVar[str] = "Remove the passage, or quote less of the source, and send again."
