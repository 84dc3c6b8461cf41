"""What the policy says of the tool that a call runs: its price, its timeout, how many may run."""

from __future__ import annotations

from dataclasses import replace

from gateway.dialects.base import Call
from gateway.exchange import Exchange
from gateway.policy.names import shown
from gateway.proxy.live import Live, UpstreamPlan
from gateway.upstream.client import Timeouts
from gateway.upstream.slots import BusyError, Slots
from gateway.verdict import GATEWAY, Action, Reason, Verdict

BUSY_WAIT = 1.0
"""Seconds after which a call that found no slot may come again."""


def set_price(exchange: Exchange) -> None:
    """Note what the call of a tool will cost, where the policy file gives it a price."""
    plan, call = _plan(exchange), exchange.call
    if plan is not None and plan.tools and call is not None:
        call.fixed_cost = plan.tools.price(call.invokes)


def timeouts_of(plan: UpstreamPlan, call: Call) -> Timeouts:
    """The upstream's timeouts, or with those of the tool that the call runs."""
    tool = plan.tools.of(call.invokes) if plan.tools else None
    if tool is None or tool.timeout is None:
        return plan.timeouts
    return replace(plan.timeouts, read=tool.timeout)


async def take_slot(slots: Slots, exchange: Exchange) -> Verdict | None:
    """Wait until the tool has room for one more call; the verdict where it has none in time.

    The slot is in `exchange.release` then, and is given back when the exchange is closed.
    """
    plan, call = _plan(exchange), exchange.call
    if plan is None or not plan.tools or call is None:
        return None
    tool = plan.tools.of(call.invokes)
    if tool is None or tool.concurrency is None:
        return None
    assert exchange.target is not None
    key = (exchange.target.upstream, tool.name, tool.concurrency)
    try:
        slot = await slots.take(key, timeouts_of(plan, call).read)
    except BusyError:
        calls = "1 call" if tool.concurrency == 1 else f"{tool.concurrency} calls"
        busy = Verdict(
            Action.THROTTLE,
            Reason.TOOL_BUSY,
            GATEWAY,
            f"lets {calls} of the tool {shown(tool.name)!r} run at once, and none has ended",
            "Send the same request again in 1 s.",
            retry_after=BUSY_WAIT,
        )
        exchange.decide(busy)
        return busy
    exchange.release = slot.give_back
    return None


def _plan(exchange: Exchange) -> UpstreamPlan | None:
    live: Live = exchange.snapshot
    target = exchange.target
    return live.upstreams.get(target.upstream) if target is not None else None
