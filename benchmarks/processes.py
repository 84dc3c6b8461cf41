"""Start, watch and stop what is measured, each pinned to a core; nothing else is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bodies import API_KEY

PROXY_CORE = 0
OTHER_CORE = 1  # the upstream and the load share it, so that the proxy has its own
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CannotStart(Exception):
    """A program that is missing, or did not come up; the text says which and why."""


def program(name: str, package: str) -> str:
    """The full path of a program; raises `CannotStart` with the package that has it."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise CannotStart(f"{name} is not installed (Debian: apt-get install {package})")
    return found


@dataclass
class Process:
    """A running program and all its children, in a process group of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: list[str],
        *,
        core: int,
        folder: Path,
        env: dict[str, str] | None = None,
    ) -> Process:
        """Start `command` on one core; what it prints goes to a log file in `folder`."""
        log = folder / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        return cls(name, popen, log)

    def stop(self) -> None:
        """Ask it to end, then insist; returns when it is gone."""
        for signal_number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(self.popen.pid, signal_number)
                self.popen.wait(timeout=patience)
                return
            except ProcessLookupError:
                self.popen.wait(timeout=patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def wait_for(self, url: str, body: bytes, seconds: float) -> None:
        """Until a POST of `body` to `url` answers 200; raises `CannotStart` with the log's end."""
        last = "no answer"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                headers = {"content-type": "application/json", "authorization": f"Bearer {API_KEY}"}
                request = urllib.request.Request(url, data=body, headers=headers)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    if b'"chat.completion"' in answer.read():
                        return
                    last = "an answer that is not upstream's"
            except urllib.error.HTTPError as error:
                last = f"status {error.code}: {error.read(300)!r}"
            except OSError as error:
                last = str(error)
            time.sleep(0.2)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
        raise CannotStart(f"{self.name} did not come up ({last})\n{tail}")

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree since it started."""
        return sum(stat.ticks for stat in self._tree()) * TICK_SECONDS

    def cpu_nanoseconds(self) -> int:
        """The same as the scheduler counts it, for runs that are too short for ticks."""
        return sum(run_time(stat.pid) for stat in self._tree())

    def resident_bytes(self) -> int:
        """Resident memory of the whole tree (pages that processes share count for each)."""
        return sum(stat.pages for stat in self._tree()) * PAGE_BYTES

    def _tree(self) -> list[Stat]:
        """The program and its descendants, whatever session they moved to."""
        stats = {stat.pid: stat for stat in all_stats()}
        tree = {self.popen.pid}
        while grown := {pid for pid, stat in stats.items() if stat.parent in tree} - tree:
            tree |= grown
        return [stats[pid] for pid in tree if pid in stats]


@dataclass(frozen=True)
class Stat:
    """What /proc/<pid>/stat says: times in clock ticks, memory in pages."""

    pid: int
    parent: int
    ticks: int
    pages: int


def run_time(pid: int) -> int:
    """Nanoseconds on a core of all threads that a process has now (Documentation/scheduler/
    sched-stats of Linux: the first field of `schedstat`)."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            spent += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it ended meanwhile
    return spent


def all_stats() -> list[Stat]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue  # it ended meanwhile
        # The name stands in parentheses and may hold anything; count the fields behind it.
        fields = text.rpartition(")")[2].split()
        times = sum(int(field) for field in fields[11:13])
        found.append(Stat(int(entry.name), int(fields[1]), times, int(fields[21])))
    return found
