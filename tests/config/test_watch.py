"""The watch tells of every change, once, when it is whole. Time stands still unless told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.versions import Versions
from gateway.config.watch import Watch


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


async def count(watch: Watch) -> int:
    seen = 0
    with pytest.raises(Enough):
        async for _ in watch.changes():
            seen += 1
    return seen


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text("a: 1")
    return path


async def watched(policy: Path, *steps: Callable[[], object] | None) -> int:
    versions = Versions(policy.parent / "state")
    return await count(Watch(policy, versions, 1.0, Script(*steps)))


async def test_nothing_new_is_no_change(policy: Path) -> None:
    assert await watched(policy, None, None, lambda: policy.write_text("a: 1"), None) == 0


async def test_a_change_is_told_once(policy: Path) -> None:
    assert await watched(policy, lambda: policy.write_text("a: 2"), None, None, None) == 1


async def test_a_file_is_left_alone_while_it_is_being_written(policy: Path) -> None:
    steps = [lambda n=n: policy.write_text("a: " + "x" * n) for n in range(1, 5)]
    assert await watched(policy, *steps) == 0
    assert await watched(policy, *steps[::-1], None) == 1


async def test_a_file_that_goes_away_and_comes_back_is_a_change(policy: Path) -> None:
    assert await watched(policy, policy.unlink, None, lambda: policy.write_text("b: 1"), None) == 2


async def test_a_pin_is_a_change(policy: Path) -> None:
    versions = Versions(policy.parent / "state")
    versions.serve("sha256:ab", {"p": b"x"}, {}, 0.0)
    script = Script(lambda: versions.pin("sha256:ab"), None, versions.unpin, None)
    assert await count(Watch(policy, versions, 1.0, script)) == 2


async def test_what_was_taken_up_otherwise_is_not_told_again(policy: Path) -> None:
    watch: Watch

    def reload_by_signal() -> None:
        policy.write_text("a: 2")
        watch.seen()

    script = Script(reload_by_signal, None, None)
    watch = Watch(policy, Versions(policy.parent / "state"), 1.0, script)
    assert await count(watch) == 0


async def test_a_config_map_is_exchanged_behind_its_link(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "p.yaml").write_text(f"a: {number}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "p.yaml").symlink_to("..data/p.yaml")

    def exchange() -> None:
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").replace(tmp_path / "..data")

    script = Script(exchange, None)
    assert await count(Watch(tmp_path, Versions(tmp_path / "state"), 1.0, script)) == 1


NAMES_A_SECRET = 'upstreams: {a: {credential: "${file:run/key}"}}'


@pytest.fixture
def key(policy: Path) -> Path:
    """The secret that the policy names."""
    policy.write_text(NAMES_A_SECRET)
    path = policy.parent / "run" / "key"
    path.parent.mkdir()
    path.write_text("one")
    return path


async def test_a_secret_that_the_policy_names_is_watched_too(policy: Path, key: Path) -> None:
    assert await watched(policy, lambda: key.write_text("two"), None, None) == 1
    assert await watched(policy, key.unlink, None, lambda: key.write_text("two"), None) == 2
    assert await watched(policy, None, key.with_name("other").touch, None) == 0


def mount(key: Path, number: int) -> None:
    """Put a version of a secret in place in one step, as a kubelet does."""
    key.with_name(f"..{number}").mkdir()
    (key.with_name(f"..{number}") / "key").write_text(f"key-{number}")
    key.with_name("..new").symlink_to(f"..{number}")
    key.with_name("..new").replace(key.with_name("..data"))
    if not key.is_symlink():
        key.unlink()
        key.symlink_to("..data/key")


async def test_a_mounted_secret_is_exchanged_behind_its_link(policy: Path, key: Path) -> None:
    mount(key, 1)
    assert await watched(policy, lambda: mount(key, 2), None, None) == 1


async def test_a_secret_of_a_pinned_version_is_watched(policy: Path, key: Path) -> None:
    versions = Versions(policy.parent / "state")
    versions.serve("sha256:ab", {str(policy): NAMES_A_SECRET.encode()}, {}, 0.0)
    versions.pin("sha256:ab")
    assert await watched(policy, lambda: key.write_text("two"), None, None) == 1
