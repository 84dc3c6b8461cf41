"""The audit log checks itself: `portcullis audit verify`, now and again, at the lowest priority.

Rules of this file:
- The check is the command that an operator runs, in a process of its own: it shares nothing with
  who writes the log, and takes nothing from the calls but spare time.
- It rests at least `REST` times as long as it took, so that it costs a core 5% at most, however
  long the log has grown.
- What it finds shows in the metrics and in our log. It never stops the gateway: who has changed the
  log would have a way to do that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Mapping

import orjson

from gateway.config.settings import FLAGS
from gateway.own_process import path_flags

FIRST = 60.0
"""Seconds after the start until the first check."""

EVERY = 900.0
"""Seconds between two checks at least."""

REST = 20.0

LIMIT = 6 * 3600.0
"""Seconds until a check is given up."""

NICE = 19
"""The lowest priority that there is (setpriority(2))."""

PROGRAM = ("-m", "gateway", "audit", "verify", "--json")

OUTCOMES = ("unchanged", "changed", "unchecked")
"""By exit code of the command."""

SHOWN = 5
"""Problems that are written to our log."""

_log = logging.getLogger("portcullis.self_check")


class SelfCheck:
    """Checks one gateway's audit log in the background.

    Args:
        flags: as the gateway was given them; `variables`: its environment.

    Attributes:
        counts: checks by outcome; `intact`: the last one found no change; `verified_at`: unix
            seconds of the last one that found the log unchanged, 0.0: none has yet.
    """

    def __init__(self, flags: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
        given = {
            flag.variable: value
            for flag in FLAGS
            if (value := flags.get(flag.name.replace("-", "_"))) is not None
        }
        self._environment = {**variables, **given}
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self.intact = True
        self.verified_at = 0.0

    async def run(self) -> None:
        """Check for ever."""
        await asyncio.sleep(FIRST)
        while True:
            begun = time.monotonic()
            await self.check()
            await asyncio.sleep(max(EVERY, REST * (time.monotonic() - begun)))

    async def check(self) -> None:
        """Check once."""
        started = time.time()
        try:
            code, said = await self._verify()
        except (OSError, TimeoutError) as error:
            code, said = 2, b""
            _log.error("the audit log was not checked: %s", str(error) or "it took too long")
        outcome = OUTCOMES[code] if code in range(len(OUTCOMES)) else "unchecked"
        self.counts[outcome] += 1
        if outcome == "unchanged":
            self.intact, self.verified_at = True, started
            return
        self.intact = self.intact and outcome != "changed"
        for line in _told(said):
            _log.error("audit log %s: %s", outcome, line)

    async def _verify(self) -> tuple[int, bytes]:
        """Exit code and output of the command."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *path_flags(),
            *PROGRAM,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        with contextlib.suppress(OSError):  # then it runs at our own priority
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            async with asyncio.timeout(LIMIT):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, said


def _told(said: bytes) -> list[str]:
    """What the command found, in a few lines: places and numbers, no content."""
    try:
        report = orjson.loads(said)
        chains = report["chains"]
        lines = [
            f"{problem['trouble']}: {problem['file']}:{problem['line']}: {problem['detail']}"
            for chain in chains
            for problem in chain["problems"]
        ]
        lines += report["unchecked"]
        lines += [what for chain in chains for what in chain["unchecked"]]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ["it could not be checked; run portcullis audit verify"]
    return [str(line)[:500] for line in lines[:SHOWN]]
