"""From a loaded policy file to the rules that run: built once, shared by all calls until the
next reload.

Rules of this file:
- Pure: the same file and workshop give the same snapshot. No clock, no I/O.
- A snapshot is immutable; an exchange keeps the one it began with.
- A rule is built once, however many tenants it holds for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.config.load import Loaded
from gateway.config.policy_file import PolicyFile
from gateway.config.rule_options import RuleOptions
from gateway.errors import ConfigError
from gateway.policy.kinds import KINDS
from gateway.policy.rule import Rule, Stage, Workshop
from gateway.policy.when import compile_when, watches_tenant
from gateway.upstream.prices import PriceError, Prices
from gateway.upstream.tools import ToolTable
from gateway.verdict import RuleRef


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """What holds for one tenant: its rules by stage, then in the order of its policies."""

    tenant: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A policy, ready to run.

    Attributes:
        digest: of the policy file, see `config/load.py`.
        sources: `policy/id` of each rule -> `file:line`.
        prices: the packaged table with the file's overrides.
        tools: of every upstream.
    """

    digest: str
    file: PolicyFile
    tenants: Mapping[str, TenantPlan]
    sources: Mapping[str, str]
    prices: Prices
    tools: Mapping[str, ToolTable] = field(default_factory=dict)

    def rules_for(self, tenant: str) -> tuple[Rule, ...]:
        """The rules of a tenant in the order in which they run; none for an unknown one."""
        plan = self.tenants.get(tenant)
        return plan.rules if plan is not None else ()


def compile_policy(loaded: Loaded, workshop: Workshop) -> Snapshot:
    """Build every rule and every tenant's plan.

    Raises:
        ConfigError: with every rule that cannot be built (an expression that does not compile).
    """
    file = loaded.file
    try:
        prices = workshop.prices.with_overrides(file.prices) if file.prices else workshop.prices
    except PriceError as error:
        raise ConfigError([str(error)]) from error
    workshop = replace(workshop, prices=prices)
    rules: dict[str, list[Rule]] = {name: [] for name in file.policies}
    problems: list[str] = []
    for policy, _, options in file.rules():
        ref = RuleRef(policy, options.id or options.default_id(), options.kind)
        try:
            rules[policy].append(_build(options, ref, file, workshop))
        except Exception as error:  # noqa: BLE001
            # Whatever a kind could not digest is a fault of the file, and its line is known; a
            # reload must never take down what runs.
            problems.append(f"{loaded.sources.get(str(ref), policy)}: rule {ref}: {error}")
    if problems:
        raise ConfigError(problems)
    plans = {
        tenant: TenantPlan(
            tenant,
            _in_order(
                rule
                for policy in body.policies
                for rule in rules[policy]
                if watches_tenant(rule.options.when, tenant, file.environment)
            ),
        )
        for tenant, body in file.tenants.items()
    }
    return Snapshot(loaded.digest, file, plans, dict(loaded.sources), prices, loaded.tools)


def _build(options: RuleOptions, ref: RuleRef, file: PolicyFile, workshop: Workshop) -> Rule:
    mode = options.mode or file.policies[ref.policy].mode
    rule = KINDS[options.kind](options, ref, mode, workshop)
    rule.when = compile_when(options.when, of_tools=rule.stage is Stage.TOOLS)
    return rule


def _in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.stage))  # stable: declaration order stays
