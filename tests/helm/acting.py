"""A pod acted out on this machine: its containers' commands with the environment that the chart
gives them, its mounted folders in a temporary one, Secrets as the test says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.helm.chart import Object

START_TIMEOUT = 60.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def variables(container: Object, secrets: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What a container's environment holds; `secrets` are values by the variable's name."""
    # What the image keeps in its own folder, for which something here must stand.
    made = {"XDG_STATE_HOME": str(folder / "state")}
    for each in container["env"]:
        value = each["value"] if "value" in each else secrets[each["name"]]
        value = value.replace("/etc/portcullis", str(folder / "etc"))
        made[each["name"]] = value.replace("/var/lib/portcullis", str(folder / "state"))
    return made


def mount(folder: Path, name: str, files: Mapping[str, str | bytes], version: int = 1) -> Path:
    """Put files where a ConfigMap or a Secret is mounted, as the kubelet does it: in a folder of
    their own behind the link `..data`, which is exchanged in one step (Kubernetes,
    pkg/volume/util/atomic_writer.go)."""
    place = folder / "etc" / name
    own = place / f"..2026_11_21_{version:02}"
    own.mkdir(parents=True)
    for file, text in files.items():
        (own / file).write_bytes(text if isinstance(text, bytes) else text.encode())
        if not (place / file).is_symlink():
            (place / file).symlink_to(f"..data/{file}")
    (place / "..data_tmp").symlink_to(own.name)
    (place / "..data_tmp").rename(place / "..data")
    for link in place.iterdir():
        if not link.name.startswith("..") and link.name not in files:
            link.unlink()
    return place


class Container:
    """The gateway's container, running. `first` is what it says when it listens, `log` what it
    logged since.

    Args:
        before: words before the command, `setpriv` for example.
    """

    def __init__(
        self, container: Object, environment: Mapping[str, str], before: Sequence[str] = ()
    ) -> None:
        self._words = [*before, sys.executable, "-m", "gateway", *container["args"]]
        self._environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **environment}
        self.first = ""
        self.log: list[str] = []

    def __enter__(self) -> Container:
        self._process = subprocess.Popen(
            self._words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        timer = threading.Timer(START_TIMEOUT, self._process.kill)
        timer.start()
        assert self._process.stdout is not None and self._process.stderr is not None
        self.first = self._process.stdout.readline()
        timer.cancel()
        if "listens on" not in self.first:
            self._process.kill()
            raise RuntimeError(f"the gateway did not start: {self._process.communicate()[1]}")
        # A full pipe would stop it.
        threading.Thread(target=self._log, args=[self._process.stderr], daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()  # the other pipe is its reader's

    def _log(self, stderr: IO[str]) -> None:
        self.log.extend(stderr)

    @property
    def pid(self) -> int:
        return self._process.pid
