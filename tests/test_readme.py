"""What the README shows is what happens: its commands are run against a gateway, and what they
print is compared with what stands there, ids, times and digests aside."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PORT = "8484"

MASKS = (
    (r"\d{4}-\d\d-\d\d[ T][\d:]+(\.\d+)?( UTC|Z)?", "<time>"),
    (r"\bptx_[0-9a-f]{32}\b", "<call>"),
    (r"worker-0-[0-9a-f]+", "<chain>"),
    (r"\b(s_|day-)?(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", "<digest>"),
    (r"\bday-[\d-]+", "<day>"),
    (r"\d+\.\d+ ms \(.*\)", "<times>"),
    (r"gateway \d+\.\d+\.\d+", "<version>"),
)
"""What differs from run to run."""


@dataclass(frozen=True)
class Block:
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE):
        yield Block(language, text)


def masked(text: str) -> str:
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return text


BLOCKS = list(blocks())
SHOWN = [
    (command, output)
    for command, output in itertools.pairwise(BLOCKS)
    if command.language == "sh" and output.language in ("json", "text")
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The starter policy, as `make run` would serve it."""
    with RunningGateway(tmp_path_factory.mktemp("readme"), None) as running:
        yield running


def run(gateway: RunningGateway, command: str) -> str:
    """What a command of the README prints, with the gateway where this one is."""
    port = gateway.base.rpartition(":")[2]
    command = command.replace(f":{PORT}", f":{port}")
    command = command.replace(".venv/bin/portcullis", f"{sys.executable} -m gateway")
    command = command.replace("python3", sys.executable)
    environment = {
        **gateway.environment,
        "PORTCULLIS_AUDIT": str(gateway.audit),
        "PORTCULLIS_STATE": gateway.state,
        "PYTHONPATH": str(ROOT),
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_call_and_its_record_are_what_the_readme_shows(gateway: RunningGateway) -> None:
    assert len(SHOWN) == 2
    for command, output in SHOWN:
        assert masked(run(gateway, command.text)) == masked(output.text)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "demo", "test"} <= named <= targets


def test_every_shell_block_is_run_or_made() -> None:
    """A block that is neither followed by its output nor `make` would be checked by nobody."""
    commands = [block for block in BLOCKS if block.language == "sh"]
    shown = [command for command, _ in SHOWN]
    for block in commands:
        made = all(line.startswith("make ") for line in block.text.splitlines())
        assert made or block in shown, block.text


def test_the_policy_that_is_shown_is_fine_by_check(tmp_path: Path) -> None:
    [policy] = [block.text for block in BLOCKS if block.language == "yaml"]
    file = tmp_path / "policy.yaml"
    file.write_text(policy)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", str(file)],
        env={**os.environ, "OPENAI_API_KEY": "sk-fake"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_there_is_no_placeholder() -> None:
    assert "PLACEHOLDER" not in README
