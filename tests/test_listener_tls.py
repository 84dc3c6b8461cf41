"""The listener's certificate: loaded when it is whole and good, kept when what follows is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.settings import TlsFiles
from gateway.errors import ConfigError
from gateway.listener_tls import ListenerTls
from gateway.tls import Pems
from tests.certificates import Authority

OURS = Authority()
FIRST, SECOND = OURS.issue("first"), OURS.issue("second")


class Enough(Exception):
    """The script of a test has ended."""


class Script:
    """Runs one step each time the watch sleeps."""

    def __init__(self, *steps: Callable[[], object] | None) -> None:
        self._steps = list(steps)

    async def __call__(self, seconds: float) -> None:
        if not self._steps:
            raise Enough
        step = self._steps.pop(0)
        if step is not None:
            step()


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles(*FIRST.write(tmp_path))


async def taken(
    files: TlsFiles, *steps: Callable[[], object] | None
) -> tuple[list[Pems], list[str]]:
    """What was handed to workers, and the problems that are left."""
    found: list[Pems] = []

    async def take(pems: Pems) -> None:
        found.append(pems)

    tls = ListenerTls(files, 1.0, Script(*steps))
    assert tls.load().cert == FIRST.cert
    with pytest.raises(Enough):
        await tls.follow(take)
    return found, tls.status.problems


async def test_a_new_pair_is_taken_once_it_is_whole(files: TlsFiles) -> None:
    def certificate() -> None:
        files.cert.write_bytes(SECOND.cert)

    def key() -> None:
        files.key.write_bytes(SECOND.key)

    found, problems = await taken(files, certificate, key, None, None)
    assert [pems.cert for pems in found] == [SECOND.cert]
    assert problems == []


async def test_half_a_pair_is_a_problem_until_the_other_half_comes(files: TlsFiles) -> None:
    def certificate() -> None:
        files.cert.write_bytes(SECOND.cert)

    found, problems = await taken(files, certificate, None)
    assert found == []
    assert problems == [f"--tls-key {files.key}: it does not belong to the certificate"]
    files.cert.write_bytes(FIRST.cert)
    found, problems = await taken(
        files, certificate, None, lambda: files.key.write_bytes(SECOND.key), None
    )
    assert [pems.key for pems in found] == [SECOND.key]
    assert problems == []


async def test_what_is_put_back_is_no_change_and_no_problem(files: TlsFiles) -> None:
    found, problems = await taken(
        files, files.key.unlink, None, lambda: files.key.write_bytes(FIRST.key), None
    )
    assert (found, problems) == ([], [])


def test_every_file_that_cannot_be_read_is_named_with_its_flag(tmp_path: Path) -> None:
    tls = ListenerTls(TlsFiles(tmp_path / "a", tmp_path / "b", tmp_path / "c"), 1.0)
    with pytest.raises(ConfigError) as caught:
        tls.load()
    assert sorted(caught.value.problems) == [
        f"--tls-cert {tmp_path / 'a'} cannot be read: No such file or directory",
        f"--tls-client-ca {tmp_path / 'c'} cannot be read: No such file or directory",
        f"--tls-key {tmp_path / 'b'} cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("days", "said"), [(-1, "has expired"), (5, "expires in 4 days"), (20, "")]
)
def test_the_log_warns_of_an_end_that_is_near(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, said: str
) -> None:
    tls = ListenerTls(TlsFiles(*OURS.issue(days=days).write(tmp_path)), 1.0)
    with caplog.at_level(logging.WARNING):
        tls.load()
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)
    assert list(tls.status.expires) == ["listener"]
