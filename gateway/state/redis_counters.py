"""Admissions and settlements on their way to the script, each carried out once.

Rules of this file:
- Every batch has a number. One whose answer was lost is sent again under its number before
  anything else is sent, and gets the answer of the first time, or is carried out now. Those who
  waited for it have been told that it failed, so its admissions are given back then.
- Every batch says which of this process's batches the server must know. A server that has lost
  some (a failover) does nothing before they are brought back (`redis_holdings.py`).
- A settlement that failed is made as soon as the server answers, while its lease runs. A lease
  that ran out is charged.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.state import redis_script
from gateway.state.journal import Journal
from gateway.state.ledger import MICRO
from gateway.state.presence import Presence
from gateway.state.redis_errors import UnansweredError
from gateway.state.redis_holdings import KNOWN_FOR, Holdings
from gateway.state.redis_lane import AT_ONCE, PACE, Asked, Lane
from gateway.state.redis_link import Link
from gateway.state.redis_run import run, run_and_wait
from gateway.state.redis_script import Answers, Call, Forgotten
from gateway.state.store import StoreError

MOST_OWED = 20_000
_OWED_AT_ONCE = 128
_LOOK_EVERY = 5.0  # seconds until the server is asked whether it still knows what it was told
_AGAIN = 1.0  # seconds until what is owed is tried again, where the server refused it

_log = logging.getLogger("portcullis.state")


@dataclass(slots=True)
class _Batch:
    """What was sent under a number, and when."""

    number: int
    calls: Sequence[Call]
    sent: float


class Counters:
    """One process's counters in one Redis. Belongs to the loop that made it.

    `prefix` begins every key and holds the hash tag; `clock` gives unix seconds in the place of
    the server's time. An admission that fewer replicas have in time than the place asks for fails
    and is given back.
    """

    def __init__(
        self,
        link: Link,
        prefix: str,
        presence: Presence,
        clock: Callable[[], float] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._link = link
        self._presence = presence
        self._clock = clock
        place = link.place
        self._wait = (place.wait, place.wait_ms)
        self._own_time = clock or time.monotonic
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._nonce = secrets.token_hex(8)
        self._leases = 0
        self._number = 0
        self._known = 0  # the latest batch that the server must know
        self._known_at = 0.0
        self._holdings = Holdings(place.lease)
        self._lost: dict[str, Call] = {}  # what has to be brought back, by lease
        self._in_doubt: _Batch | None = None
        self._owed: dict[str, Call] = {}
        self._later: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self.lane = Lane(self._carry, PACE)
        self._keys = tuple(
            prefix + name for name in (f"done:{self._nonce}", "serial", "leases", "held")
        )
        self._prefix = prefix + "c:"
        self._told = (str(place.lease * MICRO), "1" if journal is not None else "0")

    def new_lease(self) -> str:
        """A name for a lease that nobody else gives or guesses."""
        self._leases += 1
        return f"{self._nonce}.{self._leases:x}"

    def settle(self, lease: str, amounts: Sequence[int]) -> asyncio.Future[Any]:
        """Put a settlement into the next batch."""
        admission = self._holdings.admission_of(lease)
        return self.lane.ask(redis_script.settle(lease, amounts, admission))

    def pay(self) -> None:
        """Make good what is owed, with the next batch."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        owed = [self._owed.pop(lease) for lease in list(self._owed)[:_OWED_AT_ONCE]]
        if self._in_doubt or self._lost or self._holdings.any(self._own_time()):
            owed.append(redis_script.nothing())
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
        for timer in (self._later, self._look):
            if timer is not None:
                timer.cancel()

    # --- a batch ---

    async def _carry(self, batch: Sequence[Asked[Call]]) -> None:
        calls = [asked.call for asked in batch]
        try:
            answers = await self._answers_to(calls)
        except StoreError as error:
            self._presence.lost()
            if self._in_doubt is None or self._in_doubt.calls is not calls:
                self._owe_all(calls)
            for asked in batch:
                asked.fail(type(error)(*error.args))
            return
        if answers.replicated:
            self._presence.found()
        else:
            self._presence.lost()
        for asked, answer in zip(batch, answers.each, strict=True):
            if asked.call.kind == "a" and not answers.replicated:
                self._not_replicated(asked, answer)
                continue
            try:
                asked.answer(redis_script.result_of(asked.call, answer))
            except ValueError as error:
                asked.fail(error)

    def _not_replicated(self, asked: Asked[Call], answer: Any) -> None:
        replicas, milliseconds = self._wait
        asked.fail(
            StoreError(
                f"{self._link.place}: fewer than {replicas} replicas had it in {milliseconds} ms"
            )
        )
        if not answer[2]:
            self.ask_aside(redis_script.undo(asked.call.lease))

    async def _answers_to(self, calls: Sequence[Call]) -> Answers:
        """Make good what stands before these calls, then carry them out."""
        if self._in_doubt is not None:
            await self._clear_doubt(self._in_doubt)
        while True:
            while self._lost:
                await self._once(list(self._lost.values())[:AT_ONCE])
            answers = await self._once(calls)
            if answers is not None:
                return answers

    async def _once(self, calls: Sequence[Call]) -> Answers | None:
        """Send a batch and learn from its answer. None where the server has to be told first
        what it has forgotten."""
        self._number += 1
        batch = _Batch(self._number, calls, self._own_time())
        try:
            told = await self._send(batch, calls)
        except UnansweredError:
            self._in_doubt = batch
            self._pay_later()
            raise
        if isinstance(told, Forgotten):
            self._remember(told.last)
            return None
        self._learn(batch, calls, told)
        return told

    async def _clear_doubt(self, batch: _Batch) -> None:
        """Send again what was not answered, but for its admissions: they are not wanted any more.

        Whatever it does is the same whether it was carried out the first time or only now.
        """
        if self._own_time() - batch.sent > KNOWN_FOR:
            self._in_doubt = None  # its leases ran out long ago, and are charged
            return
        again = [redis_script.nothing(call) if call.kind == "a" else call for call in batch.calls]
        told = await self._send(batch, again)
        self._in_doubt = None
        if isinstance(told, Forgotten):
            self._owe_all(batch.calls)
            self._remember(told.last)
            return
        each = zip(batch.calls, again, told.each, strict=True)
        done = [call if answer is not None else other for call, other, answer in each]
        self._learn(batch, done, told)
        for call in done:
            if call.kind == "a":
                self.ask_aside(redis_script.undo(call.lease))

    def _learn(self, batch: _Batch, calls: Sequence[Call], told: Answers) -> None:
        self._known = told.last
        if told.last == batch.number:
            self._known_at = batch.sent
        unknown: list[Call] = []
        for call, answer in zip(calls, told.each, strict=True):
            if call.kind == "b":
                self._lost.pop(call.lease, None)
            unknown += self._holdings.note(call, answer, batch.number, batch.sent)
        self._look_soon()
        if unknown:
            for call in unknown:
                self._bring_back(call)
            self.ask_aside(redis_script.nothing())
        if self._journal is not None:
            for entry in redis_script.entries_of(calls, told):
                self._journal(entry)

    def _look_soon(self) -> None:
        """A process that has nothing to ask would not notice what a server has lost."""
        if self._look is None and self._holdings.any(self._own_time()):
            self._look = self._loop.call_later(_LOOK_EVERY, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self.ask_aside(redis_script.nothing())

    def _remember(self, last: int) -> None:
        """The server knows this process's batches up to `last` only."""
        self._known = last
        before = len(self._lost)
        for call in self._holdings.forgotten_since(last, self._own_time()):
            self._bring_back(call)
        _log.warning(
            "%s has lost its latest writes (a failover, a restart, a flush): %d calls of this "
            "process are reserved or settled again",
            self._link.place,
            len(self._lost) - before,
        )

    def _bring_back(self, call: Call) -> None:
        """What was settled already stays settled."""
        before = self._lost.get(call.lease)
        if before is None or not before.amounts:
            self._lost[call.lease] = call

    async def _send(self, batch: _Batch, calls: Sequence[Call]) -> Answers | Forgotten:
        """Send these calls under the number of a batch. What it gave may be told instead."""
        if self._own_time() - self._known_at > KNOWN_FOR:
            # The server may have dropped what it knew of this process; no lease of it runs.
            self._known = 0
            self._holdings.clear()
            self._lost.clear()
        now = "" if self._clock is None else str(int(self._clock() * MICRO))
        arguments = (
            *(len(self._keys), *self._keys),
            *(self._prefix, str(batch.number), str(self._known), *self._told, now),
            *redis_script.arguments_of(calls),
        )
        waits = self._wait[0] > 0 and any(call.kind in "at" for call in calls)

        async def work(redis: Any, _: bool) -> tuple[bytes, bool]:
            if waits:
                return await run_and_wait(redis, arguments, self._link.probe, *self._wait)
            return await run(redis, arguments), True

        answer, replicated = await self._link.do(work)
        told = redis_script.read_answers(answer, batch.calls)
        return (
            told if replicated or isinstance(told, Forgotten) else replace(told, replicated=False)
        )

    # --- what did not get through ---

    def _owe_all(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if call.kind in "su":
                self._owe(call)
        if self._owed:
            self._pay_later()

    def _owe(self, call: Call) -> None:
        if len(self._owed) >= MOST_OWED:  # the oldest one's lease has run out by now, or soon will
            del self._owed[next(iter(self._owed))]
        self._owed[call.lease] = call

    def _pay_later(self) -> None:
        if self._later is None:
            self._later = self._loop.call_later(_AGAIN, self.pay)
