"""`portcullis serve`: what it says when it starts, and when it cannot."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.cli import serve
from gateway.cli.main import main
from gateway.config.settings import read_settings
from tests.running import PATIENCE

FREE = ["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--admin", "off"]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the state, or the logging, of whoever runs it."""
    monkeypatch.setattr("gateway.app.set_up", lambda: None)
    for name in list(os.environ):
        if name.startswith("PORTCULLIS_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and stderr of a start that must fail."""
    code = main(["serve", *words])
    said = capfd.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return code, said.err


# --- what stands in the way ---


def test_an_address_in_use_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = refused(capfd, *FREE, "--listen", where)
    assert code == 2
    assert said == f"portcullis: cannot start: --listen {where}: Address already in use\n"


def test_all_problems_of_a_policy_are_told_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nupstreams: {}\nnonsense: 1\ntenants: {a: {policies: [p, q]}}\n")
    code, said = refused(capfd, *FREE, "--policies", str(path))
    assert code == 1
    assert said.startswith("portcullis: cannot start\n")
    assert f"{path}:2: " in said
    assert f"{path}:3: " in said
    assert f"{path}:4: " in said


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", ":1: "),
        (b"\xff\xfe\x00", ":1: "),
        (b"[1, 2", ":1: "),
        (b"version: 2\n", ":1: "),
        (b"- a\n- b\n", ":1: "),
        (b"&a [*a]\n", ":1: "),
        (b"version: 1\n" + b"[" * 5000, ":2: "),
    ],
)
def test_whatever_a_policy_file_holds_there_is_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, place: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    code, said = refused(capfd, *FREE, "--policies", str(path))
    assert code == 1
    assert f"{path}{place}" in said


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--policies", "/nowhere/policy.yaml"], "/nowhere/policy.yaml: cannot be read"),
        (["--workers", "none"], "--workers: expected a number"),
        (["--listen", "8484"], "--listen: expected HOST:PORT"),
        (["--probes", "a b:1"], "--probes: expected HOST:PORT"),
        (["--state", "postgres://u:p@x"], "--state: state is kept in"),
        (["--state", "redis+sentinel://x"], "--state: redis+sentinel:// needs the name"),
        (["--state", "memory://", "--workers", "2"], "use --state sqlite:///PATH"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    capfd: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    code, said = refused(capfd, *FREE, *words)
    assert code == 1
    assert part in said


def test_several_bad_settings_are_told_together(capfd: pytest.CaptureFixture[str]) -> None:
    code, said = refused(capfd, "--workers", "0", "--listen", "x", "--state", "y")
    assert (code, len(said.splitlines())) == (1, 4)


def test_a_master_key_that_is_none_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("short and secret")
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY_FILE", str(key))
    code, said = refused(capfd, *FREE)
    assert code == 1
    assert f"master key {key}" in said
    assert "secret" not in said


@pytest.mark.parametrize("what", ["--state", "--audit"])
def test_a_place_that_cannot_be_used_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    """It is the worker that finds out; what it says reaches the operator."""
    path = tmp_path / "file"
    path.write_text("not a folder")
    value = f"sqlite:///{path}/state.db" if what == "--state" else str(path)
    code, said = refused(capfd, *FREE, what, value)
    assert code == 1
    assert str(path) in said
    assert len(said.splitlines()) == 2, said


def test_a_caller_without_a_key_spends_no_credential_from_elsewhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\n"
        "upstreams: {openai: {provider: openai, url: 'https://api.openai.com', credential: sk-1}}\n"
        "tenants: {local: {policies: [p]}}\npolicies: {p: {rules: []}}\ndefault_tenant: local\n"
    )
    code, said = refused(capfd, *FREE, "--listen", "0.0.0.0:0", "--policies", str(path))
    assert code == 1
    assert "--allow-anonymous" in said
    assert "sk-1" not in said


# --- what it says when it runs ---


@contextmanager
def serving(*words: str, **descriptors: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", *FREE, *words],
        text=True,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **descriptors},
    )
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()


def test_the_starter_runs_without_any_key_and_says_where_in_one_line() -> None:
    with serving() as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"Portcullis listens on http://(127\.0\.0\.1:\d+) with policy starter\.yaml "
            r"\(sha256:[0-9a-f]{12}\), probes on http://127\.0\.0\.1:\d+\n",
            line,
        )
        assert found, line
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == ""


def test_on_a_terminal_it_shows_what_to_try_and_what_it_shows_works() -> None:
    ours, theirs = pty.openpty()
    with serving(stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = ""
        while "audit show --last" not in said:
            said += os.read(ours, 4096).decode()
        said = said.replace("\r\n", "\n")
        base = re.search(r"export OPENAI_BASE_URL=(http://\S+)/v1\n", said)
        assert base, said
        assert f"export ANTHROPIC_BASE_URL={base[1]}\n" in said
        command = said[said.index("  curl ") : said.index("\n\nThen:")]
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )
        assert '"code":"secret_found"' in done.stdout.replace(" ", ""), done
        # The terminal is closed: nothing stays behind that nobody can see.
        os.close(ours)
        os.kill(process.pid, signal.SIGHUP)
        assert process.wait(PATIENCE) == 0


def test_each_flag_is_also_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[object] = []

    def run(settings: object, flags: object, announce: object) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr("gateway.app.serve", run)
    words = ["--workers", "3", "--audit", str(tmp_path), "--admin", "off", "--allow-anonymous"]
    assert main(["serve", *words]) == 0
    for name, value in (
        ("WORKERS", "3"),
        ("AUDIT", str(tmp_path)),
        ("ADMIN", "off"),
        ("ALLOW_ANONYMOUS", "true"),
    ):
        monkeypatch.setenv(f"PORTCULLIS_{name}", value)
    assert main(["serve"]) == 0
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("admin", "said"),
    [
        ("off", ""),
        ("127.0.0.1:1", ", admin on http://127.0.0.1:1"),
        ("unix:/run/a", ", admin on unix:/run/a"),
    ],
)
def test_the_line_says_where_the_admin_listener_is(
    capsys: pytest.CaptureFixture[str], admin: str, said: str
) -> None:
    serve.announce(read_settings({"admin": admin}, {}), "sha256:" + "0" * 64)
    assert capsys.readouterr().out.endswith(f"probes on http://127.0.0.1:9484{said}\n")


def test_the_line_names_a_folder_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings({"policies": str(tmp_path / "rules")}, {})
    serve.announce(settings, "sha256:" + "0" * 64)
    said = capsys.readouterr().out
    assert "with policy rules (sha256:000000000000)" in said
    assert said.count("\n") == 1
