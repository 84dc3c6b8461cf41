"""What every end of a chain does: numbers, links, and copies of what is in the chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.audit.chain import RecordType, Seal, read_line
from gateway.audit.chain_file import ChainFile
from gateway.audit.chain_stream import ChainStream
from tests.audit.logbook import KEY, NOON
from tests.audit.test_chain_stream import Kept


class Copied(list[bytes]):
    """A copy that keeps its lines."""

    def add(self, line: bytes) -> None:
        self.append(line)


def test_a_copy_gets_every_line_that_is_in_the_chain_and_no_other(tmp_path: Path) -> None:
    copied = Copied()
    end = ChainFile(tmp_path, "worker-0", Seal(KEY), "", 1 << 20, [copied])
    end.begin(NOON, (), {})
    end.write(RecordType.RELOADED, {}, NOON)
    end.close()
    with pytest.raises(OSError, match="descriptor"):
        end.write(RecordType.RELOADED, {}, NOON)
    (path,) = tmp_path.glob("*.jsonl")
    assert b"".join(copied) == path.read_bytes()


@pytest.mark.parametrize("sort", ["file", "stream"])
def test_lines_are_numbered_and_linked(tmp_path: Path, sort: str) -> None:
    copied = Copied()
    end = (
        ChainFile(tmp_path, "worker-0", Seal(KEY), "", 1 << 20, [copied])
        if sort == "file"
        else ChainStream(Kept(), "worker-0", Seal(KEY), "", [copied])
    )
    end.begin(NOON, (), {"listen": "here"})
    end.write(RecordType.STOPPED, {}, NOON)
    end.close()
    lines = [read_line(line[:-1]) for line in copied]
    assert [line.record["seq"] for line in lines if line] == [0, 1, 2]
    assert [line.record["prev"] for line in lines[1:] if line] == [
        line.hash for line in lines[:-1] if line
    ]
