"""One chain on disk: rotation, resuming, and what a failed write leaves."""

import json
import subprocess
import sys

from gateway.audit.chain import RecordType, Seal
from gateway.audit.chain_file import ChainFile
from gateway.audit.verify import verify
from tests.audit.logbook import KEY, NOON, OTHER_KEY

SEAL = Seal(KEY)
DAY = 86400


def begin(folder, *, now=NOON, heads=(), seal=SEAL, file_bytes=1 << 20):
    file = ChainFile(folder, "worker-0", seal, "memory://", file_bytes)
    file.begin(now, heads, {"policy": "sha256:0"})
    return file


def records(folder):
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def types(folder):
    return [record["type"] for record in records(folder)]


def test_chain_begins_with_its_key_and_how_it_was_started(tmp_path):
    begin(tmp_path).close()
    genesis, started = records(tmp_path)
    assert (genesis["type"], genesis["seq"], genesis["key"]) == ("genesis", 0, SEAL.key_id)
    assert (started["type"], started["policy"], started["state"]) == (
        "started",
        "sha256:0",
        "memory://",
    )


def test_chain_goes_on_after_a_restart(tmp_path):
    begin(tmp_path).close()
    file = begin(tmp_path, now=NOON + 5)
    file.write(RecordType.CLOSED, {"id": "x"}, NOON + 6)
    file.close()
    assert types(tmp_path) == ["genesis", "started", "started", "closed"]
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_torn_line_is_cut_off_and_recorded(tmp_path):
    file = begin(tmp_path)
    file.close()
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b'{"half a li')
    begin(tmp_path).close()
    recovered = records(tmp_path)[2]
    assert (recovered["type"], recovered["bytes"]) == ("recovered", 11)
    assert len(recovered["sha256"]) == 64
    assert b"half a li" not in path.read_bytes()


def test_chain_of_another_key_is_left_and_a_new_one_says_why(tmp_path):
    old = begin(tmp_path, seal=Seal(OTHER_KEY))
    assert old.head is not None
    old.close()
    file = begin(tmp_path)
    file.close()
    genesis = next(r for r in records(tmp_path) if r.get("after"))
    assert genesis["after"] == {
        "chain": old.head.chain,
        "why": "it was written with another key",
    }
    assert genesis["chain"] > old.head.chain


def test_cut_chain_is_left_for_verify_to_find(tmp_path):
    file = begin(tmp_path)
    file.write(RecordType.CLOSED, {"id": "x"}, NOON)
    head = file.head
    assert head is not None
    file.close()
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    begin(tmp_path, heads=[head]).close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    genesis = [r for r in records(tmp_path) if r["type"] == "genesis"][-1]
    assert genesis["after"]["why"] == "1 lines are missing at its end"


def test_file_is_rotated_by_size_and_names_the_one_before(tmp_path):
    file = begin(tmp_path, file_bytes=1200)
    for number in range(6):
        file.rotate_if_due(NOON)
        file.write(RecordType.CLOSED, {"id": f"x{number}"}, NOON)
    file.close()
    names = [path.name for path in sorted(tmp_path.glob("*.jsonl"))]
    assert len(names) > 2
    rotated = [r["previous"] for r in records(tmp_path) if r["type"] == "rotated"]
    assert rotated == names[:-1]
    assert not verify(tmp_path, [SEAL]).problems


def test_file_is_rotated_when_a_day_has_ended(tmp_path):
    file = begin(tmp_path)
    file.rotate_if_due(NOON + DAY)
    file.close()
    assert types(tmp_path)[-1] == "rotated"
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


def test_resumes_where_a_crash_fell_between_a_file_and_its_first_line(tmp_path):
    file = begin(tmp_path)
    assert file.head is not None
    (tmp_path / f"{file.head.chain}.000002.jsonl").touch()
    file.close()
    begin(tmp_path).close()
    assert types(tmp_path) == ["genesis", "started", "rotated", "started"]
    assert not verify(tmp_path, [SEAL]).problems


def test_resumes_where_a_crash_fell_into_the_first_line(tmp_path):
    (tmp_path / "worker-0-6553f1000000.000001.jsonl").write_bytes(b'{"chain":"wor')
    begin(tmp_path).close()
    assert types(tmp_path) == ["genesis", "recovered", "started"]


def test_syncing_closes_the_files_that_are_complete(tmp_path):
    file = begin(tmp_path)
    file.rotate_if_due(NOON + DAY)
    work = file.unsynced()
    work.sync()
    work.release()
    file.unsynced().sync()
    file.close()


def test_half_a_line_of_a_full_disk_is_cut_off_before_the_next(tmp_path):
    """In a process of its own: the limit on a file's size stands for the end of the disk."""
    code = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(sys.path[0])!r})
from tests.audit.test_chain_file import begin, NOON, RecordType
folder = Path(sys.argv[1])
file = begin(folder)
path = next(folder.glob("*.jsonl"))
size = path.stat().st_size
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
try:
    file.write(RecordType.CLOSED, {{"id": "lost"}}, NOON)
except OSError as error:
    assert error.errno == 27, error
else:
    raise SystemExit("the disk was not full")
assert path.stat().st_size == size + 100 and not file.ready
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
file.repair()
assert file.ready
file.write(RecordType.CLOSED, {{"id": "kept"}}, NOON)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [r.get("id") for r in records(tmp_path)] == [None, None, "kept"]
