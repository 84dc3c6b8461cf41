"""Small values in Redis: one pipeline a turn.

A value is kept with eight random bytes before it, so that an `add` whose answer was lost can tell
its own value from somebody else's that is the same.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.state.redis_errors import explain
from gateway.state.redis_lane import Asked, Lane
from gateway.state.redis_link import Link
from gateway.state.redis_url import Place
from gateway.state.store import StoreError

_MARK = 8
_LONGEST = 10**14  # milliseconds; Redis adds the present time to them


@dataclass(frozen=True, slots=True)
class Get:
    key: str

    def command(self) -> tuple[Any, ...]:
        return ("GET", self.key)


@dataclass(frozen=True, slots=True)
class Set:
    """`only_new`: an `add`. `blob` is the value with its mark."""

    key: str
    blob: bytes
    milliseconds: int
    only_new: bool

    def command(self) -> tuple[Any, ...]:
        condition = ("NX",) if self.only_new else ()
        return ("SET", self.key, self.blob, "PX", self.milliseconds, *condition)


class Values:
    """The values of one process. `prefix` begins every key."""

    def __init__(self, place: Place, link: Link, prefix: str) -> None:
        self._place = place
        self._link = link
        self._prefix = prefix
        self.lane: Lane[Get | Set] = Lane(self._carry)

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = await self.lane.ask(Get(self._prefix + key))
        return found

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self.lane.ask(self._set(key, value, ttl, only_new=False))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        return bool(await self.lane.ask(self._set(key, value, ttl, only_new=True)))

    def _set(self, key: str, value: bytes, ttl: float, *, only_new: bool) -> Set:
        milliseconds = min(_LONGEST, max(1, math.ceil(ttl * 1000)))
        blob = secrets.token_bytes(_MARK) + value
        return Set(self._prefix + key, blob, milliseconds, only_new)

    async def _carry(self, batch: Sequence[Asked[Get | Set]]) -> None:
        calls = [asked.call for asked in batch]

        async def work(redis: Any, again: bool) -> list[Any]:
            answers = await _pipeline(redis, [call.command() for call in calls])
            if again:
                await _own(redis, calls, answers)
            return answers

        try:
            answers = await self._link.do(work)
        except StoreError as error:
            for asked in batch:
                asked.fail(type(error)(*error.args))
            return
        for asked, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                asked.fail(explain(self._place, answer))
            elif isinstance(asked.call, Get):
                asked.answer(answer[_MARK:] if answer is not None else None)
            else:
                asked.answer(bool(answer))


async def _pipeline(redis: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
    if len(commands) == 1:
        return [await redis.execute_command(*commands[0])]
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute(raise_on_error=False))


async def _own(redis: Any, calls: Sequence[Get | Set], answers: list[Any]) -> None:
    """Where an `add` found a value, see whether it is the one that it put there before."""
    for index, call in enumerate(calls):
        if isinstance(call, Set) and call.only_new and answers[index] is None:
            answers[index] = await redis.execute_command("GET", call.key) == call.blob
