"""Every kind of rule that this version has: one file a kind, one line here.

A kind's module is imported when the kind is first looked up, so that a command or a policy
without `pii` rules never pays for loading the PII machinery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from gateway.policy.rule import Rule

_CLASSES = {
    "model": "ModelRule",
    "egress": "EgressRule",
    "size": "SizeRule",
    "rate_limit": "RateLimitRule",
    "budget": "BudgetRule",
    "tools": "ToolsRule",
    "loop": "LoopRule",
    "pii": "PiiRule",
    "secrets": "SecretsRule",
    "patterns": "PatternsRule",
    "injection": "InjectionRule",
}


class _Kinds(Mapping[str, type[Rule]]):
    """Kind -> its rule class; iterating imports nothing."""

    def __getitem__(self, kind: str) -> type[Rule]:
        name = _CLASSES[kind]
        found: type[Rule] = getattr(import_module(f"{__name__}.{kind}"), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)

    def __contains__(self, kind: object) -> bool:
        return kind in _CLASSES


KINDS: Mapping[str, type[Rule]] = _Kinds()
"""Kind -> rule class, in the order in which the documentation lists them."""
