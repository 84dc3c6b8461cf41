"""A real gateway in processes of its own, for tests and the demo: free ports, its own folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

START_TIMEOUT = 60.0
"""Seconds until a gateway that has not said that it listens is given up."""

_LISTENS = re.compile(r"listens on (https?://\S+)")


class RunningGateway:
    """`portcullis serve` on loopback. Use as a context manager, or call `start` and `stop`.

    Args:
        folder: where policy, state, audit and key are kept; a second gateway on the same folder
            goes on where the first one ended.
        policy: the policy file's content (JSON is YAML), or None to serve what `flags` say.
        flags: further flags; `--workers 2`.

    Attributes:
        base: `http://127.0.0.1:PORT` of the data listener, https with TLS; `probes` of the probe
            listener.
        policy_path: the policy file that is watched.
        first_line: what it said of where it listens; `before`: lines on stdout before that.
    """

    def __init__(
        self,
        folder: Path,
        policy: Mapping[str, Any] | str | None,
        flags: Sequence[str] = (),
        *,
        admin: str = "off",
        environment: Mapping[str, str] | None = None,
        state: str = "",
    ) -> None:
        self.folder = folder
        self.audit = folder / "audit"
        self.state = state or f"sqlite:///{folder / 'state.db'}"
        self.policy_path = folder / "policy.yaml"
        self.base = ""
        self.probes = ""
        self.first_line = ""
        self.before: list[str] = []
        self._flags = list(flags)
        self._admin = admin
        self._environment = dict(environment or {})
        self._policy = policy
        self._process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the gateway and of commands that look at its files."""
        return {
            **os.environ,
            "XDG_STATE_HOME": str(self.folder),
            "PORTCULLIS_MASTER_KEY_FILE": str(self.folder / "master.key"),
            **self._environment,
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()

    def __enter__(self) -> RunningGateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write_policy(self, policy: Mapping[str, Any] | str) -> None:
        """Put another policy in the file's place, whole."""
        text = policy if isinstance(policy, str) else json.dumps(policy)
        new = self.policy_path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.policy_path)

    def start(self) -> None:
        """Start it and wait until it listens. Raises RuntimeError, with its log, if it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--admin", self._admin]
        arguments += ["--state", self.state, "--audit", str(self.audit)]
        if self._policy is not None:
            self.write_policy(self._policy)
            arguments += ["--policies", str(self.policy_path)]
        with (self.folder / "gateway.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", *arguments, *self._flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
            )
        self._read_first_line(self._process)

    def _read_first_line(self, process: subprocess.Popen[str]) -> None:
        timer = threading.Timer(START_TIMEOUT, process.kill)
        timer.start()
        assert process.stdout is not None
        found = None
        while found is None and (line := process.stdout.readline()):
            found = _LISTENS.search(line)
            if found is None:
                self.before.append(line)  # the audit log may go there too
            self.first_line = line
        timer.cancel()
        if found is None:
            process.kill()
            process.wait()
            raise RuntimeError(f"the gateway did not start:\n{self.log[-4000:]}")
        self.base = found[1]
        self.probes = self._probes_address()

    def _probes_address(self) -> str:
        found = re.search(r"probes on http://([^\s,]+)", self.first_line)
        return f"http://{found[1]}" if found else ""

    @property
    def stdout(self) -> IO[str]:
        """What it says on stdout from now on; with the audit log there somebody must read it."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def stop(self) -> int:
        """End it in order; the exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9 of every one of its processes, as a machine's end would be."""
        process = self._process
        if process is None:
            return
        for pid in [*children(process.pid), process.pid]:
            os.kill(pid, signal.SIGKILL)
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None

    def records(self) -> list[dict[str, Any]]:
        """Every whole line of the audit log."""
        lines = [
            line
            for path in sorted(self.audit.glob("*.jsonl"))
            for line in path.read_bytes().split(b"\n")
        ]
        return [json.loads(line) for line in lines if line.endswith(b"}")]

    def record(self, exchange: str) -> dict[str, Any]:
        """The audit log's last line on an exchange."""
        return next((r for r in reversed(self.records()) if r.get("id") == exchange), {})

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `portcullis` command in this gateway's environment."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`portcullis audit verify` on this gateway's log."""
        return self.command("audit", "verify", "--audit", str(self.audit), "--state", self.state)


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run (Linux)."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found
