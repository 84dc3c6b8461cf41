"""`${file:PATH}` in a running gateway: rotated while it runs, a bad one refused, never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway
from tests.proxy.local import policy
from tests.proxy.wire import Message, Script, Upstream
from tests.running import ask, metrics, ready, says, wait_for

OLD, NEW = "sk-old-0123456789", "sk-new-0123456789"
COMMANDS = (("check",), ("explain",))
SUCCESS = "portcullis_config_last_reload_successful"


@pytest.fixture(scope="module")
def seen() -> list[str]:
    return []


@pytest.fixture(scope="module")
def upstream(seen: list[str]) -> Iterator[Upstream]:
    def answer(got: Message) -> Script:
        seen.append(got.get("authorization"))
        return says()

    with Upstream(answer) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream
) -> Iterator[RunningGateway]:
    """Two workers, and a credential as Kubernetes mounts it."""
    folder = tmp_path_factory.mktemp("secrets")
    mount(folder, OLD)
    file = policy(upstream.url)
    file["upstreams"]["openai"]["credential"] = "${file:run/key}"
    with RunningGateway(folder, file, ["--workers", "2"]) as made:
        yield made


def mount(folder: Path, value: str) -> None:
    """Put a version of the secret in place in one step, as a kubelet does."""
    run = folder / "run"
    version = run / f"..{value}"
    version.mkdir(parents=True)
    (version / "key").write_text(value + "\n")
    (version / "key").chmod(0o600)
    (run / "..new").symlink_to(version.name)
    (run / "..new").replace(run / "..data")
    if not (run / "key").is_symlink():
        (run / "key").symlink_to("..data/key")


def sent(gateway: RunningGateway, seen: list[str]) -> set[str]:
    seen.clear()
    assert {ask(gateway, "hello").status for _ in range(8)} == {200}
    return set(seen)


def test_a_secret_is_taken_by_every_worker_kept_where_the_next_is_bad_and_shown_nowhere(
    gateway: RunningGateway, seen: list[str]
) -> None:
    digest = ready(gateway)["policy"]
    assert sent(gateway, seen) == {f"Bearer {OLD}"}
    (gateway.folder / "run" / "key").unlink()
    wait_for("the problem", lambda: ready(gateway)["policy_problems"])
    assert "run/key cannot be used: No such file" in ready(gateway)["policy_problems"][0]
    assert metrics(gateway)[SUCCESS] == 0
    assert sent(gateway, seen) == {f"Bearer {OLD}"}
    mount(gateway.folder, NEW)
    wait_for("the new secret", lambda: metrics(gateway)[SUCCESS] == 1)
    assert sent(gateway, seen) == {f"Bearer {NEW}"}
    assert ready(gateway)["policy"] == digest
    told = [gateway.log, gateway.first_line, str(ready(gateway)), str(metrics(gateway))]
    told += [path.read_text() for path in gateway.audit.glob("*.jsonl")]
    told += [path.read_text() for path in (gateway.folder / "portcullis").rglob("*.json")]
    told += [gateway.command(*words, str(gateway.policy_path)).stdout for words in COMMANDS]
    assert len(told) > 7
    assert not [text for text in told if OLD in text or NEW in text]
