"""Which rules a call meets, in which order, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.policy.compile import Snapshot
from gateway.policy.when import describe_when, watches_upstream
from gateway.verdict import Mode


@dataclass(frozen=True, slots=True)
class Row:
    """One rule that applies, as `portcullis explain` shows it.

    `condition` is what the call itself must still be like, "" where the rule always watches;
    `source` is `file:line`.
    """

    stage: str
    rule: str
    kind: str
    mode: Mode
    condition: str
    source: str


def explain(snapshot: Snapshot, tenant: str, upstream: str) -> list[Row]:
    """The rules that apply to a tenant's calls to an upstream, in the order in which they run."""
    rows = []
    for rule in snapshot.rules_for(tenant):
        when = rule.options.when
        if not watches_upstream(when, upstream):
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
            )
        )
    return rows
