"""Names and places: one process with a model, beside a worker, and how it is asked.

Rules of this file:
- The event loop never waits for a model: all that is awaited here is a pipe.
- One batch is under way at a time; what waits is bounded in characters.
- A process that does not answer in time is killed, one that dies is started again with the next
  text. Whoever waits gets an error, never "nothing found".
- The process ends when nobody uses its reader any more, and when its worker is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import weakref
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.config.ner import LABELS, Ner
from gateway.detectors.overlaps import united
from gateway.own_process import path_flags
from gateway.verdict import Finding

MODULE = "gateway.detectors.names_process"

MOST_WAITING = 4_000_000
"""Characters that may wait for one process."""

BATCH_CHARS = 100_000
"""Characters of one batch, but for a single longer text."""

START_LIMIT = 120.0
"""Seconds in which a model must be loaded."""

START_AGAIN = 1.0
"""Seconds between two attempts to start a process that does not come up."""

_LONGEST_LINE = 64 << 20

_log = logging.getLogger("portcullis.names")


class NamesError(Exception):
    """A text was not read."""


class NamesLate(NamesError):
    """The model did not answer in time."""


class NamesBusy(NamesError):
    """Too much waits for the model already."""


class NamesDown(NamesError):
    """The model's process died, or cannot be started."""


@dataclass(eq=False, slots=True)
class _Job:
    """Pieces of text that are answered together."""

    pieces: list[str]
    size: int
    answer: asyncio.Future[list[list[Finding]]] = field(repr=False)


class NamesReader:
    """Asks the process of one model. See `policy/reading.py`, Reader."""

    def __init__(self, ner: Ner, process: _ModelProcess) -> None:
        self.version = ner.version
        self._ner = ner
        self._process = process

    async def read(self, texts: Sequence[str]) -> Sequence[tuple[Finding, ...] | Exception]:
        """Findings of each text; NamesError for one that was not answered."""
        return await asyncio.gather(*(self._one(text) for text in texts))

    async def _one(self, text: str) -> tuple[Finding, ...] | Exception:
        places = list(pieces(text, self._ner.max_chars))
        if not places:
            return ()
        try:
            found = await self._process.ask([text[start:end] for start, end in places])
        except NamesError as error:
            return error
        return united(
            [
                Finding(f.entity, f.start + start, f.end + start, f.score)
                for (start, _), those in zip(places, found, strict=True)
                for f in those
            ]
        )


class Names:
    """The readers of one worker, one for each model that a policy in use names."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers: weakref.WeakValueDictionary[Ner | str, NamesReader] = (
            weakref.WeakValueDictionary()
        )

    def reader(self, ner: Ner) -> NamesReader:
        """The reader for a model; its process is started now. May be called by any thread."""
        key = f"{ner.version}:{ner.timeout}"
        reader = self._readers.get(key)
        if reader is None:
            process = _ModelProcess(ner)
            reader = self._readers[key] = NamesReader(ner, process)
            loop = self._loop
            weakref.finalize(reader, _end, loop, process).atexit = False
            loop.call_soon_threadsafe(process.start)
        return reader


def _end(loop: asyncio.AbstractEventLoop, process: _ModelProcess) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(process.close)


class _ModelProcess:
    """The process, and the task that feeds it. All of it runs in one event loop."""

    def __init__(self, ner: Ner) -> None:
        self._ner = ner
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._child: Process | None = None
        self._closed = False

    def start(self) -> None:
        """Start the task, and with it the process."""
        if (self._task is None or self._task.done()) and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """End both."""
        self._closed = True
        self._kill()
        if self._task is not None:
            self._task.cancel()

    async def ask(self, texts: list[str]) -> list[list[Finding]]:
        """Raises NamesError."""
        size = sum(map(len, texts))
        if self._jobs and self._waiting + size > MOST_WAITING:
            raise NamesBusy
        self.start()
        job = _Job(texts, size, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._waiting += size
        self._wake.set()
        try:
            return await asyncio.wait_for(job.answer, self._ner.timeout)
        except TimeoutError:
            raise NamesLate from None

    async def _run(self) -> None:
        try:
            while True:
                if self._child is None or self._child.returncode is not None:
                    await self._begin()
                if not self._jobs:
                    self._wake.clear()
                    await self._wake.wait()
                elif self._child is not None:
                    await self._answer(self._batch())
        finally:
            self._kill()

    async def _begin(self) -> None:
        """Start a process and wait until its model is loaded; tell all who wait if it is not."""
        try:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                *path_flags(),
                "-m",
                MODULE,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=_LONGEST_LINE,
                env=_environment(self._ner),
            )
            await self._write(order(self._ner))
            ready = await asyncio.wait_for(self._read(), START_LIMIT)
            if "error" in ready:
                raise NamesDown(str(ready["error"]))
            _log.info("the model for names is loaded: %s", self._ner.model)
        except (OSError, TimeoutError, NamesError) as error:
            self._kill()
            _log.error("no model for names: %s", str(error) or type(error).__name__)
            self._fail(self._batch(everything=True), NamesDown())
            await asyncio.sleep(START_AGAIN)
            if not self._jobs:  # not again before somebody asks
                self._wake.clear()
                await self._wake.wait()

    async def _answer(self, jobs: list[_Job]) -> None:
        """Send one batch and give each job its part of the answer."""
        if not jobs:
            return
        texts = [text for job in jobs for text in job.pieces]
        try:
            await self._write({"texts": texts})
            answer = await asyncio.wait_for(self._read(), self._ner.timeout)
            found = [[Finding(*each) for each in those] for those in answer["found"]]
            if len(found) != len(texts):
                raise NamesDown
        except TimeoutError:
            _log.warning("the model for names took too long and is started again")
            self._kill()
            self._fail(jobs, NamesLate())
            return
        except (OSError, NamesError, KeyError, TypeError) as error:
            _log.warning("the process of the model for names died: %s", type(error).__name__)
            self._kill()
            self._fail(jobs, NamesDown())
            return
        at = 0
        for job in jobs:
            end = at + len(job.pieces)
            if not job.answer.done():
                job.answer.set_result(found[at:end])
            at = end

    def _batch(self, *, everything: bool = False) -> list[_Job]:
        """The next jobs that somebody still waits for."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs and (everything or not jobs or size + self._jobs[0].size <= BATCH_CHARS):
            job = self._jobs.popleft()
            self._waiting -= job.size
            if not job.answer.done():
                jobs.append(job)
                size += job.size
        return jobs

    @staticmethod
    def _fail(jobs: list[_Job], error: NamesError) -> None:
        for job in jobs:
            if not job.answer.done():
                job.answer.set_exception(error)

    async def _write(self, what: dict[str, Any]) -> None:
        assert self._child is not None and self._child.stdin is not None
        self._child.stdin.write(json.dumps(what).encode() + b"\n")
        await asyncio.wait_for(self._child.stdin.drain(), self._ner.timeout)

    async def _read(self) -> dict[str, Any]:
        assert self._child is not None and self._child.stdout is not None
        try:
            line = await self._child.stdout.readline()
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            raise NamesDown("it ended") from None
        return said

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()


def pieces(text: str, most: int) -> Iterator[tuple[int, int]]:
    """Where a text is cut, `[start, end)`: at the last line's end, or space, of each piece."""
    start = 0
    while len(text) - start > most:
        end = start + most
        for mark in ("\n", " "):
            cut = text.rfind(mark, start + most // 2, end)
            if cut > 0:
                end = cut + 1
                break
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def order(ner: Ner) -> dict[str, Any]:
    """What the process is told of a model."""
    return {
        "engine": ner.engine,
        "model": ner.model,
        "language": ner.language,
        "entities": list(ner.entities),
        "labels": {**LABELS, **ner.labels},
    }


def _environment(ner: Ner) -> dict[str, str]:
    """Only what a Python process needs, and what keeps libraries from downloading."""
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    made = {name: os.environ[name] for name in kept if name in os.environ}
    made |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if ner.engine == "stanza":
        made["STANZA_RESOURCES_DIR"] = ner.model
    return made
