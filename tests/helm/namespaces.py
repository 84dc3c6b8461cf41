"""Two network namespaces with a cable between them: a pod, and the world outside it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

POD, WORLD = "198.18.40.2", "198.18.40.1"
POD_6, WORLD_6 = "fd00:18:40::2", "fd00:18:40::1"

TOOLS = ("ip", "nft", "setpriv")


def missing() -> str:
    """Why this cannot be acted out here, or nothing."""
    absent = [tool for tool in TOOLS if shutil.which(tool, path=path()) is None]
    if absent:
        return f"{', '.join(absent)} is not here"
    if os.geteuid() != 0:
        return "namespaces with several users are root's"
    name = f"ptc-try-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "this machine lets nobody make a network namespace"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def path() -> str:
    """Where programs are, system programs among them."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@dataclass(frozen=True)
class Namespaces:
    """The names of both."""

    pod: str
    world: str

    def inside(self, name: str) -> list[str]:
        """The words before a command that runs there."""
        return ["ip", "netns", "exec", name]


def run(*words: str) -> str:
    environment = {**os.environ, "PATH": path()}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@contextlib.contextmanager
def namespaces() -> Iterator[Namespaces]:
    if why := missing():
        pytest.skip(f"the pod's network cannot be acted out: {why}")
    mark = secrets.token_hex(3)
    both = Namespaces(f"ptc-pod-{mark}", f"ptc-out-{mark}")
    cable = (f"ptcp{mark}", f"ptcw{mark}")
    try:
        for name in (both.pod, both.world):
            run("ip", "netns", "add", name)
            run(*both.inside(name), "ip", "link", "set", "lo", "up")
        run("ip", "link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        ends = (
            (both.pod, cable[0], POD, POD_6, WORLD, WORLD_6),
            (both.world, cable[1], WORLD, WORLD_6, POD, POD_6),
        )
        for name, end, own, own_6, other, other_6 in ends:
            run("ip", "link", "set", end, "netns", name)
            here = both.inside(name)
            run(*here, "ip", "addr", "add", f"{own}/24", "dev", end)
            run(*here, "ip", "-6", "addr", "add", f"{own_6}/64", "dev", end, "nodad")
            run(*here, "ip", "link", "set", end, "up")
            run(*here, "ip", "route", "add", "default", "via", other)
            run(*here, "ip", "-6", "route", "add", "default", "via", other_6)
        yield both
    finally:
        for name in (both.pod, both.world):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
