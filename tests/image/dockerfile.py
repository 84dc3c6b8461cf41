"""Plays a Dockerfile's steps without Docker, in namespaces of this machine.

What is real: every COPY, RUN, ENV, USER, the command, the read-only root, a user without rights and
a file system without a shell. What is not: the base images. This machine's own Python and C library
stand in for theirs, so it takes the same Python version, and root to make namespaces.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BUILDER = Path(sys.base_prefix) / "bin" / "python3.11"
"""This Python, with pip and venv: the build stage's."""
SYSTEM = Path("/usr/bin/python3.11")
"""Debian's own, which is the one that the distroless image has."""


@dataclass
class Stage:
    """One `FROM`: its base, and the steps behind it as (word, rest)."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for step, rest in self.steps if step == word]

    def one(self, word: str) -> str:
        (rest,) = self.all(word)
        return rest

    @property
    def environment(self) -> dict[str, str]:
        words = [word for rest in self.all("ENV") for word in shlex.split(rest)]
        return dict(word.split("=", 1) for word in words)

    def command(self, word: str) -> list[str]:
        """The words of ENTRYPOINT, CMD or HEALTHCHECK's CMD, all of them in the form without a
        shell."""
        found: list[str] = json.loads("[" + self.one(word).partition("[")[2])
        return found


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, with the arguments before the first one filled in."""
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for word, rest in _instructions(text):
        if word == "ARG" and not found:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base, _, name = rest.partition(" AS ")
            filled = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base)
            found.append(Stage(filled, name.strip()))
        else:
            found[-1].steps.append((word, rest))
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def build(stage: Stage, context: Path, folder: Path) -> Path:
    """Run a stage's COPY and RUN over a copy-on-write image of this machine; where its files are.

    Raises:
        subprocess.CalledProcessError: with the output of the step that failed.
    """
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir(parents=True)
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    script = ["set -eu", f"mount -t overlay image -o {layers} {root}"]
    script += [f"mount --rbind /{name} {root}/{name}" for name in ("dev", "proc")]
    where = "/"
    for word, rest in stage.steps:
        if word == "WORKDIR":
            where = rest
            script.append(f"mkdir -p {root}{where}")
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                into = f"{root}{where}/{target}"
                script.append(f"cp -R {context / source} {into}")
        elif word == "RUN":
            step = shlex.quote(f"cd {where} && {rest}")
            script.append(f"chroot {root} /bin/sh -euc {step}")
    subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", "\n".join(script)],
        env={**_inherited(), **stage.environment, "PATH": f"{_shims(folder)}:{_PATH}"},
        check=True,
        capture_output=True,
        text=True,
    )
    return upper


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _inherited() -> dict[str, str]:
    """How this machine reaches a package index."""
    wanted = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT_FILE")
    return {name: value for name, value in os.environ.items() if name.startswith(wanted)}


def _shims(folder: Path) -> Path:
    """A folder in which `python` is this Python, as it is in the base image."""
    shims = folder / "shims"
    shims.mkdir()
    (shims / "python").symlink_to(BUILDER)
    return shims


def run(stage: Stage, built: dict[str, Path], folder: Path) -> subprocess.Popen[str]:
    """Start what a stage ships: its files and a Python, no shell, nothing writable but its volume,
    its user without a right, a network of its own. The process's children share its namespaces.
    """
    root = folder / "root"
    script = ["set -eu", "ip link set lo up", f"mkdir -p {root}", f"mount -t tmpfs root {root}"]
    script += [
        f"[ ! -e /{path} ] || {{ mkdir -p {root}/{path}; mount --rbind /{path} {root}/{path}; }}"
        for path in ("lib", "lib64", "usr/lib", "etc/ssl")
    ]
    script += [f"mkdir -p {root}/usr/bin {root}/dev {root}/proc", f"mount --bind /proc {root}/proc"]
    for path, source in (
        ("dev/null", "/dev/null"),
        ("dev/urandom", "/dev/urandom"),
        ("usr/bin/python3", SYSTEM),
    ):
        script.append(f"touch {root}/{path}; mount --bind {source} {root}/{path}")
    for rest in stage.all("COPY"):
        words = rest.split()
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = (word for word in words if not word.startswith("--"))
        files = f"{built[options['from']]}{source}"
        script.append(f"mkdir -p {root}{target}; cp -R {files}/. {root}{target}/")
    user = stage.one("USER")
    owner = f"mode=700,uid={user.partition(':')[0]},gid={user.partition(':')[2]}"
    script.append(f"mount -t tmpfs -o {owner} state {root}{stage.one('VOLUME')}")
    script.append(f"mount -o remount,ro {root}")
    variables = shlex.join(f"{name}={value}" for name, value in stage.environment.items())
    command = shlex.join([*stage.command("ENTRYPOINT"), *stage.command("CMD")])
    script.append(
        f"exec env -i {variables} /usr/bin/setpriv --no-new-privs "
        f"/usr/sbin/chroot --userspec={user} --groups= {root} {command}"
    )
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            ["unshare", "--mount", "--net", "/bin/sh", "-c", "\n".join(script)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def inside(process: subprocess.Popen[str], command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine in the network of a started stage."""
    return subprocess.run(
        ["nsenter", "--target", str(process.pid), "--net", *command],
        capture_output=True,
        text=True,
        check=False,
    )
