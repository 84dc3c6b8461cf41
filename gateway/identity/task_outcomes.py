"""What a session came to, as somebody says who can tell: the agent itself, or an operator.

Rules of this file:
- A session comes to one thing. The first word counts, whichever worker or gateway hears it; the
  store decides.
- What is known of a session (`Facts`) is what this gateway's workers saw of it since they started.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.exchange import Exchange
from gateway.state.store import Store, StoreError

KEPT = 7.0 * 86400
"""Seconds for which it is remembered that a session's outcome was counted."""

SESSION = re.compile(r"s_[0-9a-f]{32}")
"""A session's key, as audit records name it."""


class TaskOutcome(StrEnum):
    """Closed: it is a metric's label."""

    SUCCESS = "success"  # the task was done
    FAILURE = "failure"  # it was tried and not done
    ESCALATED = "escalated"  # the agent handed it to a person
    ABANDONED = "abandoned"  # whoever wanted it gave up


OUTCOMES = tuple(each.value for each in TaskOutcome)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of a session: calls that ended, nano-dollars, the first and the last moment
    (unix seconds)."""

    calls: int
    cost: int
    began: float
    last: float


class Book(Protocol):
    """Who knows sessions."""

    def facts(self, session: str) -> Facts | None: ...


Count = Callable[[TaskOutcome, Facts | None], None]


class TaskOutcomes:
    """Takes outcomes in one worker.

    Args:
        count: told of each outcome that is a session's first.
        store_failed: told of `outcome` where the store did not answer.
    """

    def __init__(
        self, store: Store, book: Book, count: Count, store_failed: Callable[[str], None]
    ) -> None:
        self._store = store
        self._book = book
        self._count = count
        self._store_failed = store_failed

    def facts(self, session: str) -> Facts | None:
        """What this worker knows of a session."""
        return self._book.facts(session)

    async def report(
        self, session: str, outcome: TaskOutcome, facts: Facts | None
    ) -> TaskOutcome | None:
        """Count a session's outcome, if it is the first.

        Returns:
            The outcome that it has already, None where this one was counted.

        Raises:
            StoreError: nobody can tell whether it is the first; it was not counted.
        """
        key = f"outcome:{session}"
        try:
            first = await self._store.add(key, outcome.value.encode(), KEPT)
            known = b"" if first else await self._store.get(key)
        except StoreError:
            self._store_failed("outcome")
            raise
        if first:
            self._count(outcome, facts)
            return None
        return TaskOutcome(known.decode()) if known else outcome

    async def of_call(self, exchange: Exchange) -> None:
        """Take the outcome that a call told of its own session. Its record has it anyway."""
        session, told = exchange.identity.session, exchange.identity.outcome
        if session and told:
            try:
                await self.report(session, TaskOutcome(told), self.facts(session))
            except StoreError:
                return
