"""A policy in a Kubernetes ConfigMap, exchanged as the kubelet does it, is taken up at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing.gateway import RunningGateway
from tests.helm.acting import mount
from tests.running import ready, wait_for


def policy(*rules: dict[str, str]) -> str:
    return json.dumps(
        {
            "version": 1,
            "upstreams": {"openai": {"provider": "openai", "url": "http://127.0.0.1:9"}},
            "tenants": {"local": {"policies": ["p"]}},
            "default_tenant": "local",
            "policies": {"p": {"rules": rules}},
        }
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("pod")
    mounted = mount(folder, "policies", {"portcullis.yaml": policy({"kind": "loop"})})
    with RunningGateway(folder, None, ["--policies", str(mounted)]) as running:
        yield running


def test_an_exchanged_config_map_is_taken_up_whole(gateway: RunningGateway) -> None:
    before = ready(gateway)["policy"]
    two = {
        "portcullis.yaml": policy({"kind": "loop"}),
        "more.yaml": json.dumps({"policies": {"other": {"rules": [{"kind": "secrets"}]}}}),
    }
    mount(gateway.folder, "policies", two, version=2)
    wait_for("the second version", lambda: ready(gateway)["policy"] != before)
    second = ready(gateway)["policy"]

    mount(gateway.folder, "policies", {"portcullis.yaml": "version: 7"}, version=3)
    wait_for("the bad version to be seen", lambda: ready(gateway)["policy_problems"])
    assert ready(gateway)["policy"] == second
    assert ready(gateway)["http"] == 200

    mount(gateway.folder, "policies", {"portcullis.yaml": policy({"kind": "loop"})}, version=4)
    wait_for("the first policy again", lambda: ready(gateway)["policy"] == before)


def test_it_is_mounted_as_the_kubelet_does_it(tmp_path: Path) -> None:
    place = mount(tmp_path, "policies", {"a.yaml": "1", "b.yaml": "2"})
    assert (place / "a.yaml").is_symlink() and (place / "..data").is_symlink()
    mount(tmp_path, "policies", {"a.yaml": "3"}, version=2)
    assert (place / "a.yaml").read_text() == "3"
    assert not (place / "b.yaml").is_symlink()
