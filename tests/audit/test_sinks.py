"""Stdout takes whole lines from several processes, and holds nobody up who is not read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from gateway.audit.sinks import Stdout


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def read(fd: int, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += os.read(fd, 65536)
    return got


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    lines = [b"one\n", b"two\n"]
    assert Stdout(pipe[1]).send(lines) == 2
    assert read(pipe[0], 8) == b"one\ntwo\n"


def test_who_does_not_read_is_given_up_and_nothing_is_lost_or_doubled(
    pipe: tuple[int, int],
) -> None:
    sink = Stdout(pipe[1], patience=0.0)
    lines = [bytes([65 + n]) * 29_999 + b"\n" for n in range(4)]
    sent = sink.send(lines)  # as many as the pipe holds
    assert 0 < sent < 4
    with pytest.raises(OSError, match="nobody reads stdout"):
        sink.send(lines[sent:])
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read(pipe[0], 120_000)))
    reader.start()
    patient = sink
    patient._patience = 20.0
    while sent < 4:
        sent += patient.send(lines[sent:])
    reader.join(20)
    assert found == [b"".join(lines)]


def test_a_closed_stdout_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OSError, match=r"closed|Broken pipe"):
        Stdout(writing).send([b"x\n"])
    os.close(writing)


WRITER = """
import sys
from gateway.audit.sinks import Stdout
sink, lines = Stdout(), [sys.argv[1].encode() * 20000 + b"\\n"] * 50
while lines:
    lines = lines[sink.send(lines):]
"""


def test_long_lines_of_two_processes_are_not_mixed(pipe: tuple[int, int]) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, letter], stdout=pipe[1]) for letter in "ab"
    ]
    lines = read(pipe[0], 2 * 50 * 20_001).split(b"\n")
    assert [process.wait(20) for process in processes] == [0, 0]
    assert sorted({line[:1] * len(line) == line for line in lines}) == [True]
    assert {len(line) for line in lines} == {0, 20_000}
