"""The end of a call, whatever it was: settle what was reserved, record it, count it.

Rules of this file:
- Every exchange that began is closed exactly once.
- The `closed` line is written to the operating system before the caller's last byte.
- A call cut off in the middle is closed by a task of its own, so that nobody's cancellation
  can lose the record or the settlement.

Outcomes: `answered`, `refused` (a rule or a bad request), `blocked` (a rule stopped the
answer), `upstream_failed`, `cancelled` (the caller hung up, or a drain cut the call: the reason
says which), `failed` (our own fault).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from gateway.dialects.base import Call, Usage
from gateway.errors import OwnError
from gateway.exchange import Exchange
from gateway.message import Reply
from gateway.policy import limits
from gateway.proxy.live import Live
from gateway.proxy.sessions import Sessions
from gateway.state.store import Store, StoreError
from gateway.verdict import Reason

BYTES_PER_TOKEN = 4
"""Bytes of text that one token stands for, where the provider reported no usage: the usual rule
of thumb for English text, stated by OpenAI's help pages; it is marked as an estimate."""

_log = logging.getLogger("portcullis.closing")


class Recorder(Protocol):
    """The audit log, as the data path sees it. Raises OwnError where it cannot write."""

    def open(self, exchange: Exchange) -> None: ...

    def close(self, exchange: Exchange) -> None: ...

    async def flushed(self) -> None: ...


class Closer:
    """Opens and closes exchanges of one worker."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        sessions: Sessions,
        observe: Callable[[Exchange], None],
        store_failed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._observe = observe
        self._store_failed = store_failed
        self._sessions = sessions
        self._tasks: set[asyncio.Task[None]] = set()
        self._none_running = asyncio.Event()
        self._none_running.set()
        self.running: dict[str, Exchange] = {}
        self.cutting = False  # a drain's limit is over: what is cancelled now, we cancel

    def begin(self, exchange: Exchange) -> None:
        self.running[exchange.id] = exchange
        self._none_running.clear()

    async def open(self, exchange: Exchange) -> None:
        """Write the `opened` line. Raises OwnError where the policy demands a record."""
        try:
            self._recorder.open(exchange)
            if _sync(exchange):
                await self._recorder.flushed()
        except OwnError as error:
            live: Live = exchange.snapshot
            _log.error("%s", error)
            if live.file.audit.on_error == "block":
                raise OwnError(
                    Reason.AUDIT_UNAVAILABLE,
                    "This gateway cannot write its audit log, and its policy lets no call pass "
                    "without a record. Nothing was sent to the provider.",
                ) from error
        exchange.mark("open")

    # --- ends ---

    async def failed(self, exchange: Exchange, reply: Reply) -> Reply:
        """An error became a reply: the caller's fault, the provider's or ours by its status."""
        if exchange.sent and exchange.reason in (
            Reason.UPSTREAM_TIMEOUT,
            Reason.UPSTREAM_UNREACHABLE,
            Reason.ANSWER_MALFORMED,
        ):
            outcome = "upstream_failed"
        else:
            outcome = "refused" if reply.status < 500 else "failed"
        return await self.end(exchange, reply, outcome)

    async def end(self, exchange: Exchange, reply: Reply, outcome: str) -> Reply:
        """A whole reply ends the exchange; it may leave when this returns."""
        exchange.outcome = outcome
        exchange.status = reply.status
        if isinstance(reply.body, bytes):
            exchange.bytes_out = len(reply.body)
        await self.close(exchange)
        return reply

    def cancelled(self, exchange: Exchange) -> None:
        """The caller hung up, or a drain cut it: close it in a task of its own."""
        if exchange.closed:
            return
        exchange.outcome = "cancelled"
        exchange.reason = Reason.DRAINING if self.cutting else Reason.CLIENT_GONE
        exchange.status = exchange.status or 499
        if exchange.sent:  # the time until now was upstream's, not that of settling
            exchange.mark("answer" if exchange.upstream_status else "upstream")
        self._apart(self.close(exchange))

    async def close(self, exchange: Exchange) -> None:
        """Settle, record, count. Never raises for a store or a log that is away."""
        if exchange.closed:
            return
        exchange.closed = True
        if exchange.release is not None:
            exchange.release()
        try:
            self._charge(exchange)
            if exchange.claims and not exchange.settled:
                settling = self._settle(exchange)
                if exchange.extensions:  # whoever is cancelled, none of several leases is left
                    await asyncio.shield(self._apart(settling))
                else:  # a store carries out what it was asked
                    await settling
                exchange.mark("settle")
        finally:
            self._record(exchange)
            self.running.pop(exchange.id, None)
            if not self.running:
                self._none_running.set()
            await self._sessions.leave(exchange)
        if _sync(exchange):
            try:
                await self._recorder.flushed()
            except OwnError as error:
                _log.error("%s", error)

    async def drained(self, limit: float) -> bool:
        """Wait up to `limit` seconds for running calls to end; whether they did."""
        try:
            async with asyncio.timeout(limit):
                await self._none_running.wait()
        except TimeoutError:
            return False
        return True

    async def idle(self) -> None:
        """Wait until all closings that run by themselves are done."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    def _charge(exchange: Exchange) -> None:
        """What was used, and what that costs."""
        usage = exchange.usage = used(exchange)
        call, target = exchange.call, exchange.target
        if call is not None and call.fixed_cost is not None:
            exchange.cost = call.fixed_cost if _reached(exchange) else 0
            return
        if usage is not None and call is not None and target is not None:
            prices = exchange.snapshot.prices
            if call.members:
                exchange.cost = sum(
                    prices.cost_of(member, target.provider, "", _likely(member))
                    for member in call.members
                )
                return
            exchange.cost = prices.cost_of(call, target.provider, exchange.model_served, usage)

    def _apart(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it in a task of its own, which `idle` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settle(self, exchange: Exchange) -> None:
        """Put what was used in the place of what was reserved."""
        usage = exchange.usage or Usage()
        try:
            await limits.settle(exchange, self._store, usage, exchange.cost)
        except StoreError as error:  # its lease runs out and is charged in full
            self._store_failed("settle")
            _log.error("could not settle: %s", error, extra={"exchange": exchange.id})

    def _record(self, exchange: Exchange) -> None:
        try:
            self._recorder.close(exchange)
        except OwnError as error:
            _log.error("%s", error)
        exchange.mark("record")
        self._observe(exchange)


def used(exchange: Exchange) -> Usage | None:
    """What the provider will charge for; an estimate where it did not say.

    None where nothing was sent, nothing is charged for, or the provider refused the call.
    """
    call = exchange.call
    if call is not None and not call.billable:
        return None  # also where the answer is an earlier one that tells what it used then
    if exchange.usage is not None:
        return exchange.usage
    if not exchange.sent or call is None or call.dialect == "opaque":
        return None
    if not _reached(exchange):
        return None
    if exchange.upstream_status >= 400:
        return None
    if call.deferred:
        parts = [_likely(each) for each in call.members or (call,)]
        return Usage(
            input=sum(part.input for part in parts),
            output=sum(part.output for part in parts),
            estimated=True,
        )
    return Usage(
        input=call.input_estimate(),
        output=-(-exchange.text_out // BYTES_PER_TOKEN),
        estimated=True,
    )


def _likely(call: Call) -> Usage:
    """What a call whose answer comes later will use: as much output as it asks for at most."""
    output = (call.max_output or 0) * call.choices
    return Usage(input=call.input_estimate(), output=output, estimated=True)


def _reached(exchange: Exchange) -> bool:
    """Whether upstream may have done something for this call: it was called, and neither could
    not be reached nor broke off without a word."""
    silent = exchange.upstream_status == 0 and exchange.reason is Reason.UPSTREAM_UNREACHABLE
    return exchange.sent and not silent


def leases(running: Sequence[Exchange]) -> list[str]:
    """The leases of running calls, to be renewed."""
    found: list[str] = []
    for exchange in running:
        admission = exchange.admission
        if admission is not None and admission.lease and not exchange.settled:
            found.append(admission.lease)
            found += [more.lease for more in exchange.extensions if more.lease]
    return found


def _sync(exchange: Exchange) -> bool:
    live: Live = exchange.snapshot
    return bool(live.file.audit.durability == "sync")
