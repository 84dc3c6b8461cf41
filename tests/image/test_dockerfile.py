"""The image: what it is made of, and its steps played without Docker (see `dockerfile.py`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.dockerfile import BUILDER, SYSTEM, Stage, build, inside, run, stages
from tests.structure.house import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
BUILD, SHIPPED = stages(TEXT)
LARGEST = 140
"""Megabytes of what is put upon the base image."""

ASK = """
import json, sys, urllib.error, urllib.request
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": sys.argv[1]}]}
request = urllib.request.Request(
    "http://127.0.0.1:8484/v1/chat/completions",
    json.dumps(body).encode(),
    {"content-type": "application/json"},
)
try:
    urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["error"]["code"])
"""


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_shipped_runs_no_shell_and_no_root() -> None:
    assert SHIPPED.all("RUN") == []
    assert SHIPPED.base.startswith("gcr.io/distroless/")
    assert SHIPPED.one("USER") == "65532:65532"
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert SHIPPED.command(word), f"{word} must name its words, for there is no shell"


def test_every_package_is_pinned_by_its_hash() -> None:
    for step in BUILD.all("RUN"):
        for install in re.findall(r"pip install .*?(?=&&|$)", step):
            assert "--require-hashes" in install or "--no-index" in install


def test_both_bases_have_the_python_that_the_lock_is_for() -> None:
    assert "3.11" in BUILD.base
    assert "bookworm" in BUILD.base
    assert "debian12" in SHIPPED.base


def test_the_context_has_what_is_copied_and_no_more() -> None:
    wanted = {word for rest in BUILD.all("COPY") for word in rest.split()[:-1]}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == wanted
    assert all((ROOT / name).exists() for name in wanted)


def _cannot() -> str:
    """Why the steps cannot be played here, or nothing."""
    if os.geteuid() != 0:
        return "playing the image's steps takes root, to make namespaces"
    if not BUILDER.exists() or not SYSTEM.exists():
        return "the image's steps take Python 3.11, here and in /usr/bin"
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not here"
    if subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode:
        return "no namespaces can be made here"
    return ""


WHY = _cannot()
played = pytest.mark.skipif(bool(WHY), reason=WHY)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build(BUILD, ROOT, tmp_path_factory.mktemp("build"))
    except subprocess.CalledProcessError as error:
        pytest.fail(f"a step of the image failed:\n{error.stderr[-3000:]}")


@pytest.fixture(scope="module")
def container(
    files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    folder = tmp_path_factory.mktemp("container")
    process = run(SHIPPED, {"build": files}, folder)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listens on" in line, (folder / "log").read_text()
    yield process
    process.terminate()
    process.wait(30)
    process.stdout.close()


def healthcheck(stage: Stage, process: subprocess.Popen[str]) -> int:
    """The health check's own words, run beside the gateway as Docker does."""
    root = f"/proc/{process.pid}/root"
    words = [f"{name}={value}" for name, value in stage.environment.items()]
    command = ["/usr/sbin/chroot", "--userspec=65532:65532", root]
    return inside(
        process, ["env", "-i", *words, *command, *stage.command("HEALTHCHECK")]
    ).returncode


@played
def test_it_is_small_and_says_what_is_in_it(files: Path) -> None:
    shipped = files / "opt" / "portcullis"
    size = sum(path.stat().st_size for path in shipped.rglob("*") if path.is_file()) / 1e6
    print(f"{size:.0f} MB upon the base image")
    assert size < LARGEST
    assert not (shipped / "spacy").exists()
    listed = json.loads((shipped / "sbom.cdx.json").read_text())
    names = {part["name"] for part in listed["components"]}
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements-image.lock").read_text(), re.M))
    assert names == locked
    assert listed["metadata"]["component"]["name"] == "portcullis-gateway"


@played
def test_it_serves_its_default_as_a_user_without_rights_on_a_read_only_root(
    container: subprocess.Popen[str],
) -> None:
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert re.search(r"^Uid:\s+65532\s+65532", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M)
    mounts = Path(f"/proc/{container.pid}/mountinfo").read_text()
    root = next(line.split() for line in mounts.splitlines() if line.split()[4] == "/")
    assert "ro" in root[5].split(",")
    told = inside(container, [str(SYSTEM), "-c", ASK, "my key is AKIAIOSFODNN7EXAMPLQ"])
    assert told.stdout.strip() == "400 secret_found", told.stderr


@played
def test_the_health_check_says_so_and_needs_no_shell(container: subprocess.Popen[str]) -> None:
    shell = Path(f"/proc/{container.pid}/root", "bin", "sh")
    assert not shell.exists()
    assert healthcheck(SHIPPED, container) == 0


@played
def test_it_stops_in_order_when_it_is_told_to(
    files: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = run(SHIPPED, {"build": files}, tmp_path_factory.mktemp("stopped"))
    assert process.stdout is not None
    process.stdout.readline()
    begun = time.monotonic()
    process.terminate()
    assert process.wait(30) == 0
    assert time.monotonic() - begun < 20
    process.stdout.close()
