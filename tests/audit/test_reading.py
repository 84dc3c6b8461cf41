"""Records for showing: newest first, across files and chains."""

from gateway.audit.reading import exchanges, last_state, newest_first
from tests.audit.logbook import MemoryHeads, exchange_named, make_writer, write_log


class Clock:
    def __init__(self, at=1_700_000_000.0):
        self.at = at

    def __call__(self):
        self.at += 1
        return self.at


async def test_newest_comes_first_across_chains_and_files(tmp_path):
    clock, heads = Clock(), MemoryHeads()
    await write_log(tmp_path, heads, 20, name="worker-0", clock=clock, file_bytes=2000)
    await write_log(tmp_path, heads, 5, name="worker-1", clock=clock)
    await write_log(tmp_path, heads, 20, name="worker-0", clock=clock, file_bytes=2000)
    assert len(list(tmp_path.glob("*.jsonl"))) > 5
    times = [entry.record["time"] for entry in newest_first(tmp_path)]
    assert times == sorted(times, reverse=True)
    lines = sum(len(path.read_bytes().splitlines()) for path in tmp_path.glob("*.jsonl"))
    assert len(times) == lines


async def test_lines_longer_than_a_block_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.audit.reading._BLOCK", 7)
    await write_log(tmp_path, MemoryHeads(), 2)
    assert [entry.record["seq"] for entry in newest_first(tmp_path)] == [6, 5, 4, 3, 2, 1, 0]


async def test_exchange_shows_once_closed_or_else_opened(tmp_path):
    writer = make_writer(tmp_path, MemoryHeads(), clock=Clock())
    await writer.start()
    for name in ("a1", "a2", "b1"):
        writer.open(exchange_named(name))
    writer.close(exchange_named("a1"))
    await writer.stop()
    found = [(entry.record["id"], entry.record["type"]) for entry in exchanges(tmp_path)]
    assert found == [("a1", "closed"), ("b1", "opened"), ("a2", "opened")]
    assert [e.record["id"] for e in exchanges(tmp_path, "a2")] == ["a2"]
    assert [e.record["id"] for e in exchanges(tmp_path, "a")] == ["a1", "a2"]
    assert list(exchanges(tmp_path, "c")) == []


async def test_log_says_where_its_heads_are(tmp_path):
    assert last_state(tmp_path) == ""
    clock, heads = Clock(), MemoryHeads()
    await write_log(tmp_path, heads, clock=clock, state="sqlite:///old.db")
    await write_log(tmp_path, heads, clock=clock, state="sqlite:///new.db")
    assert last_state(tmp_path) == "sqlite:///new.db"


async def test_lines_that_are_no_records_are_left_out(tmp_path):
    path = await write_log(tmp_path, MemoryHeads(), 1)
    path.write_bytes(path.read_bytes() + b"hello\n\n{")
    assert len(list(newest_first(tmp_path))) == 5
