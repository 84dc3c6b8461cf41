"""What the writer promises: lines that outlive the process, one writer a chain, no silent loss."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.audit.chain import RecordType, Seal
from gateway.audit.findings import State
from gateway.audit.heads import StoreHeads
from gateway.audit.verify import Anchor, verify
from gateway.audit.writer import AuditError
from gateway.state.sqlite import SqliteStore
from gateway.verdict import Reason
from tests.audit.logbook import KEY, MemoryHeads, exchange_named, make_writer, write_log

ROOT = Path(__file__).resolve().parents[2]
SEAL = Seal(KEY)


def records(folder):
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def types(folder):
    return [record["type"] for record in records(folder)]


async def test_exchange_has_two_lines_between_start_and_stop(tmp_path):
    heads = MemoryHeads()
    await write_log(tmp_path, heads, exchanges=1)
    assert types(tmp_path) == ["genesis", "started", "opened", "closed", "stopped"]
    assert verify(tmp_path, [SEAL], heads.anchors()).state is State.OK


async def test_line_is_with_the_operating_system_when_the_call_returns(tmp_path):
    writer = make_writer(tmp_path, MemoryHeads())
    await writer.start()
    writer.close(exchange_named("x"))
    assert types(tmp_path)[-1] == "closed"
    await writer.stop()


async def test_events_are_records_too(tmp_path):
    writer = make_writer(tmp_path, MemoryHeads())
    await writer.start()
    payload = {"before": "a", "policy": "b"}
    writer.event(RecordType.RELOADED, payload)
    await writer.stop({"policy": "b"})
    reloaded, stopped = records(tmp_path)[-2:]
    assert (reloaded["type"], reloaded["policy"]) == ("reloaded", "b")
    assert (stopped["type"], stopped["policy"]) == ("stopped", "b")
    assert payload == {"before": "a", "policy": "b"}


async def test_second_writer_of_a_chain_is_refused(tmp_path):
    first = make_writer(tmp_path, MemoryHeads())
    await first.start()
    second = make_writer(tmp_path, MemoryHeads())
    with pytest.raises(AuditError, match="writes this audit log already") as refused:
        await second.start()
    assert refused.value.reason is Reason.AUDIT_UNAVAILABLE
    await first.stop()
    await second.start()
    await second.stop()
    assert types(tmp_path).count("genesis") == 1


async def test_writer_waits_for_one_that_is_ending(tmp_path):
    first = make_writer(tmp_path, MemoryHeads())
    await first.start()
    second = make_writer(tmp_path, MemoryHeads(), lock_wait=60)
    begun = asyncio.create_task(second.start())
    await asyncio.sleep(0)
    assert not begun.done()
    await first.stop()
    await begun
    await second.stop()
    assert types(tmp_path) == ["genesis", "started", "stopped", "started", "stopped"]


async def test_two_writers_of_other_names_share_a_folder(tmp_path):
    heads = MemoryHeads()
    await write_log(tmp_path, heads, name="worker-0")
    await write_log(tmp_path, heads, name="worker-1")
    report = verify(tmp_path, [SEAL], heads.anchors())
    assert report.state is State.OK
    assert len(report.chains) == 2


async def test_chain_is_known_to_the_state_store_from_its_first_moment(tmp_path):
    heads = MemoryHeads()
    writer = make_writer(tmp_path, heads)
    await writer.start()
    assert list(heads.heads.values()) == [writer.head]
    await writer.stop()


async def test_flushed_returns_when_the_line_is_on_disk_and_its_head_is_not_ahead(
    tmp_path, monkeypatch
):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_size)))
    heads = MemoryHeads()
    heads.on_save = lambda head: synced.append(head.seq)
    writer = make_writer(tmp_path, heads, sync_every=3600)
    await writer.start()
    size = next(tmp_path.glob("*.jsonl")).stat().st_size
    assert synced == [size, 1]
    writer.close(exchange_named("x"))
    await asyncio.gather(writer.flushed(), writer.flushed())
    assert synced[2] == next(tmp_path.glob("*.jsonl")).stat().st_size
    await writer.flushed()  # nothing new: no wait
    await writer.stop()
    assert synced[3] == 2
    assert synced.count(2) == 1


async def test_head_that_cannot_be_saved_is_counted_and_saved_later(tmp_path):
    heads = MemoryHeads()
    heads.broken = True
    writer = make_writer(tmp_path, heads, sync_every=0)
    await writer.start()
    writer.close(exchange_named("x"))
    await writer.flushed()
    assert writer.heads_failed
    assert writer.healthy
    heads.broken = False
    await writer.stop()
    assert list(heads.heads.values()) == [writer.head]


class Disk:
    """Stands before `os.write`: full on demand, also after some bytes of a line."""

    def __init__(self, monkeypatch):
        self.room = None
        self._write = os.write
        monkeypatch.setattr("gateway.audit.chain_file.os.write", self.write)

    def write(self, fd, data):
        if self.room is None:
            return self._write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part, self.room = data[: self.room], 0
        return self._write(fd, part)


@pytest.mark.parametrize("room", [0, 1, 100])
async def test_full_disk_is_an_error_then_a_gap_that_says_how_many(tmp_path, monkeypatch, room):
    disk = Disk(monkeypatch)
    heads = MemoryHeads()
    writer = make_writer(tmp_path, heads)
    await writer.start()
    disk.room = room
    for name in ("a", "b", "c"):
        with pytest.raises(AuditError, match="No space left"):
            writer.open(exchange_named(name))
        assert not writer.healthy
    assert writer.lost == 3
    disk.room = None
    writer.open(exchange_named("d"))
    assert writer.healthy
    await writer.stop()
    gap, opened = records(tmp_path)[2:4]
    assert (gap["type"], gap["lines"], gap["why"]) == ("gap", 3, "No space left on device")
    assert opened["id"] == "d"
    report = verify(tmp_path, [SEAL], heads.anchors())
    assert report.state is State.OK
    assert "3 lines could not be written" in report.chains[0].notes[0]


@pytest.mark.parametrize("room", [0, 100, 700])
async def test_disk_that_is_full_at_the_start_is_made_up_for(tmp_path, monkeypatch, room):
    disk = Disk(monkeypatch)
    disk.room = room
    heads = MemoryHeads()
    writer = make_writer(tmp_path, heads)
    await writer.start({"policy": "sha256:0"})
    assert not writer.healthy
    with pytest.raises(AuditError):
        writer.open(exchange_named("a"))
    disk.room = None
    writer.open(exchange_named("b"))
    await writer.stop()
    assert types(tmp_path)[0] == "genesis"
    assert types(tmp_path)[-4:] == ["started", "gap", "opened", "stopped"]
    assert verify(tmp_path, [SEAL], heads.anchors()).state is State.OK


async def test_device_without_room_is_an_audit_error(tmp_path, monkeypatch):
    writer = make_writer(tmp_path, MemoryHeads())
    await writer.start()
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(writer._file, "_fd", full)
    with pytest.raises(AuditError, match="No space left"):
        writer.close(exchange_named("x"))
    assert (writer.healthy, writer.lost) == (False, 1)


async def test_failed_fsync_is_told_to_those_who_wait_and_tried_again(tmp_path, monkeypatch):
    writer = make_writer(tmp_path, MemoryHeads(), sync_every=0)
    await writer.start()
    real, broken = os.fdatasync, [True]

    def fdatasync(fd):
        if broken[0]:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    writer.close(exchange_named("x"))
    with pytest.raises(AuditError, match="Input/output error"):
        await writer.flushed()
    assert not writer.healthy
    assert writer.syncs_failed
    broken[0] = False
    await writer.flushed()
    assert writer.healthy
    await writer.stop()


async def test_folder_that_cannot_be_used_is_said_at_the_start(tmp_path):
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(AuditError, match="audit: File exists"):
        await make_writer(tmp_path / "audit", MemoryHeads()).start()


async def test_stopped_writer_takes_no_more_lines(tmp_path):
    writer = make_writer(tmp_path, MemoryHeads())
    with pytest.raises(AuditError):
        writer.open(exchange_named("early"))
    await writer.start()
    await writer.stop()
    await writer.stop()
    with pytest.raises(AuditError):
        writer.open(exchange_named("late"))


async def test_counts_are_there_for_the_metrics(tmp_path):
    writer = make_writer(tmp_path, MemoryHeads())
    await writer.start()
    for name in ("a", "b"):
        writer.open(exchange_named(name))
    assert writer.records == {"started": 1, "opened": 2}
    head = writer.head
    assert head is not None
    assert writer.head_line() == {"head": f"{head.chain}:{head.seq}:{head.hash}"}
    await writer.stop()


KILLED = """
import asyncio, sys
from pathlib import Path
from gateway.state.sqlite import SqliteStore
from gateway.audit.chain import Seal
from gateway.audit.heads import StoreHeads
from tests.audit.logbook import KEY, exchange_named, make_writer
import time

async def main(folder, run):
    store = SqliteStore(folder / "state.db", time.time)
    await store.open()
    heads = StoreHeads(store, Seal(KEY), str(folder))
    writer = make_writer(folder, heads, sync_every=0.001, file_bytes=20_000, clock=time.time)
    await writer.start()
    number = 0
    while True:
        exchange = exchange_named(f"{run}-{number}")
        writer.open(exchange)
        if number % 7 == 0:
            await asyncio.sleep(0)
        writer.close(exchange)
        print(exchange.id, flush=True)
        number += 1

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def killed_run(folder, run):
    """Start a writing process, kill it in the middle; the exchanges that it said it had closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(run)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    finished = [process.stdout.readline() for _ in range(40 + 30 * run)]
    process.send_signal(signal.SIGKILL)
    finished += process.stdout.readlines()
    process.wait()
    return [line.strip() for line in finished if line.endswith("\n")]


async def saved_heads(folder):
    store = SqliteStore(folder / "state.db", time.time)
    await store.open()
    heads = await StoreHeads(store, SEAL, str(folder)).load()
    await store.close()
    return [Anchor(head, "the state store") for head in heads]


def test_kill_9_loses_no_finished_exchange_and_the_chain_goes_on(tmp_path):
    finished = []
    for run in range(4):
        finished += killed_run(tmp_path, run)
        report = verify(tmp_path, [SEAL], asyncio.run(saved_heads(tmp_path)))
        assert report.state is State.OK, report
    closed = {record["id"] for record in records(tmp_path) if record["type"] == "closed"}
    assert set(finished) <= closed
    assert types(tmp_path).count("genesis") == 1
    assert types(tmp_path).count("started") == 4
    assert sum("was killed" in note for note in report.chains[0].notes) == 4
