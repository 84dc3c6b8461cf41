"""The workers of one gateway, as its supervisor sees them: started, asked, replaced, ended.

Rules of this file:
- All workers run the same policy: a new one is taken by every worker or by none, and no worker
  starts while that is being decided.
- What a worker runs is the text that the supervisor read, never the file a second time.
- A worker that dies is replaced, until the crew is told to end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.control import MOST_TEXT, GoneError, Line
from gateway.errors import ConfigError
from gateway.own_process import path_flags

START_TIMEOUT = 60.0
"""Seconds that a worker may take to be ready, or to take in a policy; detectors take one or two."""

ASK_TIMEOUT = 2.0
"""Seconds for what a worker answers at once: probes and scrapes wait for it."""

END_GRACE = 10.0
"""Seconds beyond the drain's own limit until a worker is killed."""

PAUSES = (0.1, 0.5, 2.0, 5.0, 15.0)
"""Seconds before a worker is started again; the last one repeats. A worker that served for
`SETTLED` seconds begins at the first."""

SETTLED = 1.0

PROGRAM = ("-m", "gateway.app")
"""What a worker runs. Its arguments: the descriptors of its line and of the listening socket."""

_log = logging.getLogger("portcullis.crew")


@dataclass(slots=True, eq=False)
class Member:
    """One worker. `ready_at` is 0.0 while it does not serve; `series` is its last scrape."""

    number: int
    process: subprocess.Popen[bytes]
    line: Line
    ready_at: float = 0.0
    series: Any = None


class Crew:
    """Starts `wanted` workers on one listening socket and keeps them running.

    Args:
        sock: the data listener's socket, bound and listening.
        order: what a worker is told when it starts, besides its number and the policy.
    """

    def __init__(self, wanted: int, sock: socket.socket, order: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.replaced = 0
        self._sock = sock
        self._order = dict(order)
        self._texts: dict[str, str] = {}
        self._members: dict[int, Member] = {}
        self._early_deaths = dict.fromkeys(range(wanted), 0)
        self._steady = asyncio.Lock()
        self._ending = False
        self._guards: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> int:
        """How many workers serve."""
        return len(self._serving())

    def _serving(self) -> list[Member]:
        return [member for member in self._members.values() if member.ready_at]

    # --- start ---

    async def start(self, texts: Mapping[str, bytes]) -> None:
        """Start every worker with this policy. Raises ConfigError with what stands in the way."""
        self._texts = _packed(texts)
        spawned = [self._spawn(number) for number in range(self.wanted)]
        found = await asyncio.gather(*spawned, return_exceptions=True)
        problems: list[str] = []
        for error in found:
            if isinstance(error, ConfigError):
                problems += error.problems
            elif isinstance(error, BaseException):
                raise error
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))

    async def _spawn(self, number: int) -> None:
        """Start one worker and wait until it serves. Raises ConfigError."""
        member = await self._launch(number)
        self._members[number] = member
        reading = asyncio.get_running_loop().create_task(member.line.serve())
        try:
            problems = await self._order_to_start(member)
        except BaseException:
            member.process.kill()
            raise
        if problems:
            self._members.pop(number, None)
            member.process.kill()
            await asyncio.to_thread(member.process.wait)
            raise ConfigError(problems)
        member.ready_at = time.monotonic()
        guard = asyncio.get_running_loop().create_task(self._guard(member, reading))
        self._guards.add(guard)
        guard.add_done_callback(self._guards.discard)

    async def _launch(self, number: int) -> Member:
        ours, theirs = socket.socketpair()
        passed = (theirs.fileno(), self._sock.fileno())
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec takes no time to speak of
                [sys.executable, *path_flags(), *PROGRAM, *map(str, passed)],
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise ConfigError([f"worker {number} cannot be started: {error.strerror}"]) from error
        finally:
            theirs.close()
        return Member(number, process, await Line.open(ours))

    async def _order_to_start(self, member: Member) -> list[str]:
        """Returns the problems."""
        order = {**self._order, "number": member.number, "texts": self._texts}
        try:
            answer = await member.line.ask("start", START_TIMEOUT, **order)
        except (GoneError, TimeoutError):
            return [f"worker {member.number} did not start; its log says why"]
        return [str(problem) for problem in answer.get("problems", ())]

    # --- the policy ---

    async def take(self, texts: Mapping[str, bytes]) -> None:
        """Have every worker run this policy, or none. Raises ConfigError where one cannot."""
        packed = _packed(texts)
        async with self._steady:
            members = self._serving()
            answers = await self._ask(members, "prepare", START_TIMEOUT, texts=packed)
            problems = [
                problem
                for member in members
                for problem in answers.get(member.number, _silence(member)).get("problems", ())
            ]
            if problems:
                raise ConfigError(list(dict.fromkeys(problems)))
            self._texts = packed
            answers = await self._ask(members, "commit", START_TIMEOUT)
            for member in members:
                if not answers.get(member.number, {}).get("committed"):
                    member.process.kill()  # who takes its place starts with the new policy

    async def secure(self, pems: Mapping[str, str]) -> None:
        """Have every worker serve new connections with this certificate. Those that start later
        begin with it."""
        async with self._steady:
            self._order["tls"] = dict(pems)
            members = self._serving()
            answers = await self._ask(members, "secure", START_TIMEOUT, tls=self._order["tls"])
            for member in members:
                if not answers.get(member.number, {}).get("secured"):
                    member.process.kill()  # who takes its place starts with the new certificate

    # --- questions ---

    async def samples(self) -> list[Any]:
        """Every worker's metrics, for one scrape; of a silent worker the last known ones."""
        members = self._serving()
        answers = await self._ask(members, "metrics", ASK_TIMEOUT)
        for member in members:
            if member.number in answers:
                member.series = answers[member.number]["samples"]
        return [member.series for member in members if member.series is not None]

    async def health(self) -> dict[int, dict[str, Any]]:
        """What every worker that answers says of itself."""
        return await self._ask(self._serving(), "health", ASK_TIMEOUT)

    async def facts(self, session: str) -> dict[str, Any] | None:
        """What the workers saw of a session, taken together; None where nobody knows it."""
        answers = await self._ask(self._serving(), "facts", ASK_TIMEOUT, session=session)
        seen = [answer["facts"] for answer in answers.values() if answer.get("facts")]
        if not seen:
            return None
        return {
            "calls": sum(each["calls"] for each in seen),
            "cost": sum(each["cost"] for each in seen),
            "began": min(each["began"] for each in seen),
            "last": max(each["last"] for each in seen),
        }

    async def outcome(self, said: Mapping[str, Any]) -> dict[str, Any] | None:
        """Have one worker record and count a session's outcome; None where none answers."""
        for member in self._serving():
            answers = await self._ask([member], "outcome", ASK_TIMEOUT, **said)
            if answers:
                return answers[member.number]
        return None

    async def _ask(
        self, members: list[Member], do: str, timeout: float, **fields: Any
    ) -> dict[int, dict[str, Any]]:
        """The answers by worker; without those that are gone or silent."""

        async def ask(member: Member) -> dict[str, Any] | None:
            try:
                return await member.line.ask(do, timeout, **fields)
            except (GoneError, TimeoutError):
                return None

        answers = await asyncio.gather(*map(ask, members))
        pairs = zip(members, answers, strict=True)
        return {member.number: answer for member, answer in pairs if answer is not None}

    # --- death and replacement ---

    async def _guard(self, member: Member, reading: asyncio.Task[None]) -> None:
        """Wait for a worker's end; put another in its place unless the crew ends."""
        await reading
        served, member.ready_at = time.monotonic() - member.ready_at, 0.0
        await member.line.close()
        code = await asyncio.to_thread(member.process.wait)
        self._members.pop(member.number, None)
        if not self._ending:
            _log.error("worker %d ended with code %d", member.number, code)
            if served >= SETTLED:
                self._early_deaths[member.number] = 0
            await self._replace(member.number)

    async def _replace(self, number: int) -> None:
        while not self._ending:
            deaths = self._early_deaths[number]
            self._early_deaths[number] = deaths + 1
            await asyncio.sleep(PAUSES[min(deaths, len(PAUSES) - 1)])
            try:
                async with self._steady:
                    if not self._ending:
                        await self._spawn(number)
                        self.replaced += 1
            except (ConfigError, OSError) as error:
                _log.error("worker %d: %s", number, error)
            else:
                return

    # --- the end ---

    async def end(self, limit: float) -> None:
        """Have every worker finish its calls for up to `limit` seconds, and stop."""
        self._ending = True
        await asyncio.gather(*(_end(member, limit) for member in list(self._members.values())))
        for guard in self._guards:
            guard.cancel()
        await asyncio.gather(*self._guards, return_exceptions=True)

    def hurry(self) -> None:
        """Have running calls cut and recorded now, whatever the limit was."""
        for member in self._members.values():
            member.line.send({"id": 0, "do": "hurry"})

    def kill(self) -> None:
        """End every worker at once; what it was doing stays unrecorded."""
        for member in self._members.values():
            member.process.kill()


async def _end(member: Member, limit: float) -> None:
    try:
        await member.line.ask("drain", limit + END_GRACE, limit=limit)
        await asyncio.to_thread(member.process.wait, END_GRACE)
    except (GoneError, TimeoutError, subprocess.TimeoutExpired):
        member.process.kill()
        await asyncio.to_thread(member.process.wait)


def _silence(member: Member) -> dict[str, Any]:
    """What stands for the answer of a worker that gave none. One that died has no say."""
    if member.line.gone:
        return {}
    return {"problems": [f"worker {member.number} did not answer in {START_TIMEOUT:g} s"]}


def _packed(texts: Mapping[str, bytes]) -> dict[str, str]:
    """Files as JSON can hold them, byte for byte: Latin-1 has a character for each byte.

    Raises ConfigError where they are too large to be handed to a worker.
    """
    if sum(map(len, texts.values())) > MOST_TEXT:
        raise ConfigError([f"the policy files are larger than {MOST_TEXT} bytes together"])
    return {name: text.decode("latin-1") for name, text in texts.items()}
