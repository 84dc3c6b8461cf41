"""Where a writer goes on, and where it must not."""

import subprocess
import sys

import pytest

from gateway.audit.chain import NO_HASH, Head, Seal
from gateway.audit.files import (
    Damaged,
    Locked,
    find_end,
    lock,
    new_chain,
    newest,
    path_of,
)
from tests.audit.logbook import (
    GOLDEN_CHAIN,
    KEY,
    NOON,
    OTHER_KEY,
    golden_head,
    golden_lines,
    hash_of,
)

SEAL = Seal(KEY)


def put(folder, data, number=1):
    path_of(folder, GOLDEN_CHAIN, number).write_bytes(data)


def test_chains_of_a_writer_sort_by_their_begin():
    first = new_chain("worker-0", NOON)
    second = new_chain("worker-0", NOON - 1000, first)
    assert first < second
    assert new_chain("worker-0", NOON) != new_chain("worker-0", NOON)


def test_newest_is_the_last_file_of_the_writers_last_chain(tmp_path):
    for name in (
        "worker-1-000000010000.000001.jsonl",
        "worker-1-000000020000.000001.jsonl",
        "worker-1-000000020000.000012.jsonl",
        "worker-12-000000030000.000001.jsonl",
        "worker-1-copy.000001.jsonl",
        "worker-1-000000020000.old.jsonl",
    ):
        (tmp_path / name).touch()
    assert newest(tmp_path, "worker-1") == ("worker-1-000000020000", 12)
    assert newest(tmp_path, "worker-2") is None


def test_end_is_the_last_whole_line(tmp_path):
    data = b"".join(golden_lines())
    put(tmp_path, data + b'{"half')
    end = find_end(tmp_path, GOLDEN_CHAIN, 1, SEAL, [golden_head()])
    assert (end.seq, end.hash, end.size, end.torn) == (7, golden_head().hash, len(data), b'{"half')


def test_end_is_found_in_a_file_longer_than_what_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.audit.files._WINDOW", 16)
    put(tmp_path, b"".join(golden_lines()))
    assert find_end(tmp_path, GOLDEN_CHAIN, 1, SEAL, []).seq == 7


def test_file_without_a_line_goes_on_from_the_one_before(tmp_path):
    put(tmp_path, b"".join(golden_lines()))
    put(tmp_path, b"{", number=2)
    end = find_end(tmp_path, GOLDEN_CHAIN, 2, SEAL, [])
    assert (end.seq, end.number, end.size, end.torn) == (7, 2, 0, b"{")


def test_chain_whose_first_line_was_never_finished_begins_anew(tmp_path):
    put(tmp_path, b'{"ch')
    end = find_end(tmp_path, GOLDEN_CHAIN, 1, SEAL, [])
    assert (end.seq, end.hash, end.torn) == (-1, NO_HASH, b'{"ch')


@pytest.mark.parametrize(
    ("data", "heads", "why"),
    [
        ([*golden_lines()[:-1], b"hello\n"], [], "its last line is damaged"),
        (golden_lines(OTHER_KEY), [], "it was written with another key"),
        (golden_lines()[:5], [golden_head()], "3 lines are missing at its end"),
        (golden_lines(), [Head(GOLDEN_CHAIN, 6, "1" * 64)], "line 6 is not the one"),
    ],
)
def test_chain_that_was_tampered_with_is_not_written_on(tmp_path, data, heads, why):
    put(tmp_path, b"".join(data))
    with pytest.raises(Damaged, match=why):
        find_end(tmp_path, GOLDEN_CHAIN, 1, SEAL, heads)


def test_head_that_lags_behind_is_fine(tmp_path):
    lines = golden_lines()
    put(tmp_path, b"".join(lines))
    head = Head(GOLDEN_CHAIN, 4, hash_of(lines[4]))
    assert find_end(tmp_path, GOLDEN_CHAIN, 1, SEAL, [head]).seq == 7


def test_lock_is_refused_to_another_process_and_names_the_holder(tmp_path):
    code = (
        "import sys, os; from pathlib import Path; from gateway.audit.files import lock;"
        "lock(Path(sys.argv[1]), 'w'); print(os.getpid(), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        pid = holder.stdout.readline().strip()
        with pytest.raises(Locked, match=f"process {pid} writes"):
            lock(tmp_path, "w")
    finally:
        holder.communicate()
    lock(tmp_path, "w")


def test_folder_of_the_log_is_private(tmp_path):
    lock(tmp_path / "a" / "audit", "w")
    assert (tmp_path / "a" / "audit").stat().st_mode & 0o777 == 0o700
