"""Runs the script on a Redis, and waits for replicas where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions

from gateway.state import redis_script


async def run(redis: Any, arguments: Sequence[Any]) -> bytes:
    """The script's answer, whether the server knows the script already or not."""
    text, digest = redis_script.script()
    try:
        answer = await redis.execute_command("EVALSHA", digest, *arguments)
    except exceptions.NoScriptError:  # a new server, a failover, SCRIPT FLUSH
        answer = await redis.execute_command("EVAL", text, *arguments)
    return bytes(answer)


async def run_and_wait(
    redis: Any, arguments: Sequence[Any], key: str, replicas: int, milliseconds: int
) -> tuple[bytes, bool]:
    """The same, and whether so many replicas have it within that time.

    WAIT tells of the writes of its own connection only (https://redis.io/docs/latest/commands/wait/),
    and a batch that is repeated writes nothing. Replicas get writes in their order, so one more
    is made just before it, to `key`.

    One round trip. Two in a Cluster, whose client has no pipeline that follows a slot.
    """
    after = [("SET", key, "", "PX", 60_000), ("WAIT", replicas, milliseconds)]
    where: dict[str, Any] = {}
    if hasattr(redis, "get_node_from_key"):
        answer = await run(redis, arguments)
        where = {"target_nodes": redis.get_node_from_key(key)}
    else:
        _, digest = redis_script.script()
        told = await _together(redis, [("EVALSHA", digest, *arguments), *after])
        if not isinstance(told[0], exceptions.NoScriptError):
            return bytes(_sound(told)[0]), told[-1] >= replicas
        answer = await run(redis, arguments)
    told = _sound(await _together(redis, after, **where))
    return answer, told[-1] >= replicas


async def _together(redis: Any, commands: list[tuple[Any, ...]], **where: Any) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command, **where)
    return list(await pipeline.execute(raise_on_error=False))


def _sound(told: list[Any]) -> list[Any]:
    for each in told:
        if isinstance(each, Exception):
            raise each
    return told
