"""Rules that claim, and stores that note what is claimed or do not answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.config.rule_options import RuleOptions
from gateway.dialects.base import Usage
from gateway.exchange import Exchange
from gateway.policy.rule import Once, Rule, Stage
from gateway.policy.told import Told
from gateway.state.memory import MemoryStore
from gateway.state.store import Admission, Claim, Level, Refusal, StoreError
from gateway.testing import make_workshop
from gateway.verdict import Action, Mode, Reason, RuleRef, Verdict

NOW = 1_700_000_000.0


class Counting(MemoryStore):
    """The store in memory, with a count of its admissions."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.admissions: list[list[Claim]] = []
        self.settled: list[tuple[int, ...]] = []

    async def admit(self, claims: Sequence[Claim]) -> Admission:
        self.admissions.append(list(claims))
        return await super().admit(claims)

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
        self.settled.append(tuple(amounts))
        return await super().settle(lease, amounts)


class Down(Counting):
    async def admit(self, claims: Sequence[Claim]) -> Admission:
        raise StoreError("down")

    async def settle(self, lease: str, amounts: Sequence[int]) -> tuple[Level, ...]:
        raise StoreError("down")


asked: list[str] = []


class Asked(Rule):
    """Notes that it was asked, and says what it was told to say."""

    kind = "asked"
    Options = RuleOptions

    def __init__(self, name: str, stage: Stage, action: Action | None = None, **keys: Any) -> None:
        mode = keys.pop("mode", Mode.ENFORCE)
        options = RuleOptions.model_validate({"kind": "asked", **keys})
        super().__init__(options, RuleRef("p", name, "asked"), mode, make_workshop())
        self.stage = stage  # type: ignore[misc]
        self.action = action

    def on_request(self, exchange: Exchange) -> Sequence[Verdict]:
        asked.append(self.ref.id)
        if self.action is None:
            return ()
        return (self.verdict(self.action, Reason.SIZE_EXCEEDED, "says so"),)


class Claiming(Asked):
    """Claims `amount` of `limit`."""

    needs_usage = True

    def __init__(self, name: str, amount: int = 1, limit: int = 10, **keys: Any) -> None:
        super().__init__(name, Stage.LIMITS, **keys)
        self.amount, self.limit = amount, limit
        self.warns = 0
        self.told = Told()
        self.raises = ""

    def claims(self, exchange: Exchange) -> Sequence[Claim]:
        self._maybe("claims")
        return (Claim(f"k:{self.ref.id}", self.amount, self.limit, shadow=self.shadow),)

    def on_refusal(self, exchange: Exchange, claim: Claim, refusal: Refusal) -> Verdict:
        self._maybe("on_refusal")
        return self.verdict(Action.THROTTLE, Reason.BUDGET_RESERVED, "has no room", retry_after=1)

    def on_level(self, exchange: Exchange, claim: Claim, level: Level) -> Sequence[Once]:
        self._maybe("on_level")
        if level.used < self.warns:
            return ()
        verdict = self.verdict(Action.FLAG, Reason.BUDGET_WARNING, f"stands at {level.used}")
        key = f"warned:{claim.key}"
        return () if self.told.knows(key, exchange.now) else (Once(key, 60.0, verdict, self.told),)

    def actual(self, exchange: Exchange, claim: Claim, usage: Usage, cost: int | None) -> int:
        self._maybe("actual")
        return usage.output

    def _maybe(self, where: str) -> None:
        if self.raises == where:
            raise RuntimeError(where)
