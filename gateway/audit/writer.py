"""Writes the audit log of one process: a line when an exchange begins and one when it ends.

Rules of this file:
- A line has been handed to the operating system when `open`, `close` or `event` returns: it
  survives the death of this process. `await flushed()` returns once it survives the machine's.
  (On a stream: it waits in memory, in order, and is with the stream once `flushed` returns.)
- One writer a chain: the lock MUST be held while a line is written.
- A line that cannot be written is never left out silently: `AuditError` is raised, `lost` counts
  it, and the first line that can be written again is a `gap` record that says how many.
- A head MUST NOT be saved before the line that it names is on disk: after a power cut the state
  store would know of lines that nobody removed.
- Everything but the fsync itself belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.audit import files, record
from gateway.audit.chain import Head, RecordType, Seal
from gateway.audit.chain_end import ChainEnd
from gateway.audit.chain_file import ChainFile
from gateway.audit.chain_stream import ChainStream
from gateway.audit.copies import CopyTo
from gateway.audit.heads import HeadStore
from gateway.audit.sinks import Sink
from gateway.errors import OwnError
from gateway.exchange import Exchange
from gateway.state.store import StoreError
from gateway.verdict import Reason

DEFAULT_FILE_BYTES = 128 << 20
"""How long a file grows before the next one is begun."""

DEFAULT_SYNC_EVERY = 0.05
"""Seconds between a line and its fsync at most, and how far the saved head may lag behind."""

DEFAULT_LOCK_WAIT = 15.0
"""Seconds to wait for the lock at the start: a worker whose supervisor was killed drains first."""

STOP_WAIT = 5.0
"""Seconds for which a stream is waited for at the end; what waits then is lost."""

_LOCK_PAUSE = 0.05


class AuditError(OwnError):
    """A record could not be written. The policy's `audit.on_error` says what follows."""

    def __init__(self, why: str) -> None:
        super().__init__(Reason.AUDIT_UNAVAILABLE, f"The audit log cannot be written: {why}.")


class AuditWriter:
    """One chain in one folder, or on one stream, written by one process.

    Args:
        place: a folder, made with mode 0700 if need be, or a sink that takes the lines.
        key: the audit key; `digest` digests texts under a key of its own.
        heads: where the chain's head is kept besides the log.
        name: the writer's name, unique in the folder: letters, digits and `-`.
        state: what `verify` may open to find the heads: the state's URL without credentials.
        copies: who gets every line as well.

    Attributes:
        healthy: False from a failed write or fsync until one works again.
        lost: lines that could not be written, in all.
        records: how many lines of each type were written, by the caller's doing.
        syncs_failed: how often lines could not be put on disk.
        heads_failed: how often a head could not be saved.
    """

    def __init__(
        self,
        place: Path | Sink,
        key: bytes,
        heads: HeadStore,
        *,
        digest: record.Digest,
        name: str = "gateway",
        state: str = "",
        file_bytes: int = DEFAULT_FILE_BYTES,
        sync_every: float = DEFAULT_SYNC_EVERY,
        lock_wait: float = DEFAULT_LOCK_WAIT,
        copies: Sequence[CopyTo] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.copies = tuple(copies)
        self.digest = digest
        self.healthy = True
        self.lost = 0
        self.syncs_failed = 0
        self.heads_failed = 0
        self.records: dict[str, int] = {}
        self._sink = None if isinstance(place, Path) else place
        self._file: ChainEnd = (
            ChainFile(place, name, Seal(key), state, file_bytes, self.copies)
            if isinstance(place, Path)
            else ChainStream(place, name, Seal(key), state, self.copies)
        )
        self._heads = heads
        self._sync_every = sync_every
        self._lock_wait = lock_wait
        self._clock = clock
        self._known_heads: Sequence[Head] = ()
        self._introduction: dict[str, Any] = {}
        self._running = False  # and has the lock
        self._missing = 0  # lines lost since the last gap record
        self._why = ""
        self._unsynced = False  # the last fsync failed
        self._on_disk: Head | None = None
        self._stopping = False
        self._dirty = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._keeper: asyncio.Task[None] | None = None

    # --- begin and end ---

    async def start(self, introduction: dict[str, Any] | None = None) -> None:
        """Take the lock, go on with the chain or begin one, write `started` with what is given.

        A disk that is full does not stop it: the writer is then not `healthy`, and `started`
        is written as soon as it can be.

        Raises:
            AuditError: another process writes this chain, or the folder cannot be used at all.
            StoreError: the known heads cannot be read.
        """
        self._introduction = introduction or {}
        self._known_heads = await self._heads.load()
        for copy in self.copies:
            copy.start()
        await self._take_lock()
        try:
            self._begin(self._clock())
        except OSError as error:
            self._failed(error)
        await self._sync()  # from its first moment a chain is known to the state store
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _take_lock(self) -> None:
        """Wait a while for the lock: whoever wrote before may be ending right now."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._lock_wait
        while not self._running:
            try:
                self._file.lock()
                self._running = True
            except files.Locked as error:
                if loop.time() >= ends:
                    raise AuditError(f"{self._file.where}: {_words(error)}") from error
                await asyncio.sleep(_LOCK_PAUSE)
            except OSError as error:
                raise AuditError(f"{self._file.where}: {_words(error)}") from error

    def _begin(self, now: float) -> None:
        self._file.begin(now, self._known_heads, self._introduction)
        self._count(RecordType.STARTED)

    async def stop(self, farewell: dict[str, Any] | None = None) -> None:
        """Write `stopped`, put everything on disk, save the head, let go of the lock."""
        if not self._running:
            return
        with contextlib.suppress(AuditError):  # counted, and `healthy` says so
            self.event(RecordType.STOPPED, farewell or {})
        self._stopping = True
        self._dirty.set()
        self._hurry.set()
        if self._keeper is not None:
            await self._last_sync(self._keeper)
        self._file.close()
        self._file.unlock()
        self._running = False
        for copy in self.copies:
            await copy.stop()

    async def _last_sync(self, keeper: asyncio.Task[None]) -> None:
        """Wait until all is on disk, or with the stream; for one that is away not for long."""
        if self._sink is not None:
            _, late = await asyncio.wait({keeper}, timeout=STOP_WAIT)
            if late:
                self._sink.close()
        await keeper

    # --- what the stations call ---

    def open(self, exchange: Exchange) -> None:
        """Record that an exchange is about to reach upstream. Raises AuditError."""
        self._append(RecordType.OPENED, record.opened(exchange))

    def close(self, exchange: Exchange) -> None:
        """Record how an exchange ended; before the caller's last byte. Raises AuditError."""
        self._append(RecordType.CLOSED, record.closed(exchange, self.digest))

    def event(self, kind: RecordType, payload: dict[str, Any]) -> None:
        """Record something that is no exchange (a reload, a changed key). Raises AuditError."""
        self._append(kind, dict(payload))

    async def flushed(self) -> None:
        """Wait until every line written so far is on disk. Raises AuditError."""
        if self._on_disk == self._file.head:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._dirty.set()
        self._hurry.set()
        await waiter

    @property
    def head(self) -> Head | None:
        """The last line written; None before the first."""
        return self._file.head

    def head_line(self) -> dict[str, Any]:
        """The head for a log line, so that it lies somewhere else too: `verify --head` takes it."""
        head = self._file.head
        return {"head": f"{head.chain}:{head.seq}:{head.hash}"} if head else {"head": ""}

    # --- lines ---

    def _append(self, kind: RecordType, payload: dict[str, Any]) -> None:
        now = self._clock()
        try:
            if self._missing or not self._file.ready:
                self._mend(now)
            self._file.rotate_if_due(now)
            self._file.write(kind, payload, now)
        except OSError as error:
            self._failed(error)
            raise AuditError(self._why) from error
        self._count(kind)

    def _count(self, kind: RecordType) -> None:
        self.records[kind] = self.records.get(kind, 0) + 1
        if not self._dirty.is_set():
            self._dirty.set()

    def _failed(self, error: OSError) -> None:
        self.healthy = False
        self.lost += 1
        self._missing += 1
        self._why = _words(error)

    def _mend(self, now: float) -> None:
        """After a failure: cut off what half a write left, then say what is missing."""
        if not self._running:
            raise OSError(errno.EBADF, "The writer is not running")
        if not self._file.is_open:
            self._begin(now)
        self._file.repair()
        if self._missing:
            self._file.write(RecordType.GAP, {"lines": self._missing, "why": self._why}, now)
            self._count(RecordType.GAP)
            self._missing = 0
        self.healthy = not self._unsynced

    # --- the keeper: fsync in groups, heads ---

    async def _keep(self) -> None:
        while not self._stopping:
            await self._dirty.wait()
            if not self._waiting:
                await self._pause()
            await self._sync()
        await self._sync()

    async def _pause(self) -> None:
        """Let lines gather, unless somebody waits for them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._sync_every):
                await self._hurry.wait()

    async def _sync(self) -> None:
        """Put on disk what was written, tell those who wait, and save the head."""
        self._dirty.clear()
        self._hurry.clear()
        waiting, self._waiting = self._waiting, []
        head = self._file.head
        if head is None or not self._file.is_open:
            _tell(waiting, AuditError(self._why))
            return
        work = self._file.unsynced()
        try:
            await asyncio.to_thread(work.sync)
        except OSError as error:
            self._not_on_disk(error)
            _tell(waiting, AuditError(self._why))
            return
        finally:
            work.release()
        if self._unsynced:
            self._unsynced = False
            self.healthy = not self._missing
        self._on_disk = head
        _tell(waiting, None)
        try:
            await self._heads.save(head)
        except StoreError:
            self.heads_failed += 1
            self._dirty.set()

    def _not_on_disk(self, error: OSError) -> None:
        """An fsync failed: the next round tries again."""
        self.syncs_failed += 1
        self._unsynced = True
        self.healthy = False
        self._why = _words(error)
        self._dirty.set()


def _tell(waiting: Sequence[asyncio.Future[None]], error: AuditError | None) -> None:
    for waiter in waiting:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


def _words(error: OSError) -> str:
    return error.strerror or str(error)
