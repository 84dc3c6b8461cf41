"""Which rules a call meets, in which order, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.forward_proxy import UPSTREAM as FORWARD_PROXY
from gateway.policy.compile import Snapshot
from gateway.policy.kinds.tools import ToolsRule
from gateway.policy.names import Names
from gateway.policy.rule import Rule
from gateway.policy.when import describe_when, watches_upstream
from gateway.verdict import Mode


@dataclass(frozen=True, slots=True)
class Row:
    """One rule that applies, as `portcullis explain` shows it.

    `condition` is what the call itself must still be like, "" where the rule always watches;
    `source` is `file:line`. `says`: what the rule says of the tool that was asked for, by its name
    alone; "" where it looks at something else.
    """

    stage: str
    rule: str
    kind: str
    mode: Mode
    condition: str
    source: str
    says: str = ""


def explain(snapshot: Snapshot, tenant: str, upstream: str, tool: str = "") -> list[Row]:
    """The rules that apply to a tenant's calls to an upstream, in the order in which they run.

    Args:
        tool: only those that watch this tool.
    """
    rows = []
    for rule in snapshot.rules_for(tenant):
        if rule.judges not in ("both", "tunnels" if upstream == FORWARD_PROXY else "calls"):
            continue
        when = rule.options.when
        if not watches_upstream(when, upstream):
            continue
        if tool and when is not None and when.tool is not None and not Names(when.tool).has(tool):
            continue
        name = str(rule.ref)
        rows.append(
            Row(
                stage=rule.stage.name.lower(),
                rule=name,
                kind=rule.ref.kind,
                mode=Mode.SHADOW if rule.shadow else Mode.ENFORCE,
                condition=describe_when(when),
                source=snapshot.sources.get(name, ""),
                says=_word(rule, tool) if tool else "",
            )
        )
    return rows


def _word(rule: Rule, tool: str) -> str:
    if not isinstance(rule, ToolsRule):
        return ""
    return "denies it" if rule.forbids(tool) else "lets it pass"
