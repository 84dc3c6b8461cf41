"""Admissions and settlements on their way to the script, each carried out once.

Rules of this file:
- Every batch has a number. A batch whose answer was lost is sent again under its number, and gets
  the answer of the first time; one that was given up can no longer take effect after the next.
- What was given up is made good: an admission that nobody heard of is given back, a settlement is
  made as soon as the server answers, while its lease runs. A lease that ran out is charged.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions

from gateway.state import redis_script
from gateway.state.journal import Journal
from gateway.state.ledger import LEASE, MICRO
from gateway.state.presence import Presence
from gateway.state.redis_errors import UnansweredError
from gateway.state.redis_lane import Asked, Lane
from gateway.state.redis_link import Link
from gateway.state.redis_script import Answers, Call
from gateway.state.store import StoreError

MOST_OWED = 20_000
_OWED_AT_ONCE = 128
_AGAIN = 1.0  # seconds until what is owed is tried again, where the server refused it


class Counters:
    """One process's counters in one Redis. Belongs to the loop that made it.

    `prefix` begins every key and holds the hash tag; `clock` gives unix seconds in the place of
    the server's time.
    """

    def __init__(
        self,
        link: Link,
        prefix: str,
        presence: Presence,
        clock: Callable[[], float] | None,
        journal: Journal | None,
    ) -> None:
        self._link = link
        self._presence = presence
        self._clock = clock
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._nonce = secrets.token_hex(8)
        self._leases = 0
        self._number = 0
        self._owed: dict[str, Call] = {}
        self._later: asyncio.TimerHandle | None = None
        self.lane = Lane(self._carry)
        self._keys = tuple(
            prefix + name for name in (f"done:{self._nonce}", "serial", "leases", "held")
        )
        self._told = (prefix + "c:", str(LEASE), "1" if journal is not None else "0")

    def new_lease(self) -> str:
        """A name for a lease that nobody else gives or guesses."""
        self._leases += 1
        return f"{self._nonce}.{self._leases:x}"

    def pay(self) -> None:
        """Make good what is owed, with the next batch."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        owed = [self._owed.pop(lease) for lease in list(self._owed)[:_OWED_AT_ONCE]]
        for call in owed:
            self.ask_aside(call)
        if self._owed:
            self._pay_later()

    def ask_aside(self, call: Call) -> None:
        """Ask for something that nobody waits for."""
        try:
            future = self.lane.ask(call)
        except StoreError:
            self._owe(call)
        else:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def close(self) -> None:
        if self._later is not None:
            self._later.cancel()

    # --- a batch ---

    async def _carry(self, batch: Sequence[Asked[Call]]) -> None:
        calls = [asked.call for asked in batch]
        try:
            answers = redis_script.read_answers(await self._send(calls))
        except StoreError as error:
            self._presence.lost()
            self._given_up(calls, unanswered=isinstance(error, UnansweredError))
            for asked in batch:
                asked.fail(type(error)(*error.args))
            return
        self._presence.found()
        self._note(calls, answers)
        for asked, answer in zip(batch, answers.each, strict=True):
            try:
                asked.answer(redis_script.result_of(asked.call, answer))
            except ValueError as error:
                asked.fail(error)

    async def _send(self, calls: Sequence[Call]) -> bytes:
        self._number += 1
        now = "" if self._clock is None else str(int(self._clock() * MICRO))
        prefix, lease, reports = self._told
        arguments = (
            *(len(self._keys), *self._keys),
            *(prefix, str(self._number), lease, reports, now),
            *(call.text for call in calls),
        )
        text, digest = redis_script.script()

        async def work(redis: Any, _: bool) -> bytes:
            try:
                answer = await redis.execute_command("EVALSHA", digest, *arguments)
            except exceptions.NoScriptError:  # a new server, a failover, SCRIPT FLUSH
                answer = await redis.execute_command("EVAL", text, *arguments)
            return bytes(answer)

        return await self._link.do(work)

    def _note(self, calls: Sequence[Call], answers: Answers) -> None:
        if self._journal is not None:
            for entry in redis_script.entries_of(calls, answers):
                self._journal(entry)

    # --- what did not get through ---

    def _given_up(self, calls: Sequence[Call], *, unanswered: bool) -> None:
        for call in calls:
            if call.kind in "su":
                self._owe(call)
            elif call.kind == "a" and unanswered:
                self._owe(redis_script.undo(call.lease))
        if self._owed:
            self._pay_later()

    def _owe(self, call: Call) -> None:
        if len(self._owed) >= MOST_OWED:  # the oldest one's lease has run out by now, or soon will
            del self._owed[next(iter(self._owed))]
        self._owed[call.lease] = call

    def _pay_later(self) -> None:
        if self._later is None:
            self._later = self._loop.call_later(_AGAIN, self.pay)
