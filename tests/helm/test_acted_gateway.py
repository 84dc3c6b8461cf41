"""The gateway's container and `helm test` acted out: one answers, the other sees if it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config.packaged import starter_policy
from tests.helm.acting import Container, free_port, mount, variables
from tests.helm.chart import gateway_container, needs_helm, one, render
from tests.proxy.wire import call

pytestmark = needs_helm

VALUES = {
    "policies": {"files": {"portcullis.yaml": starter_policy().read_text()}},
    "masterKey": {"existingSecret": "portcullis-master-key"},
}


@dataclass
class Acted:
    """`own` and `probes`: where it listens; `program`: what `helm test` asks the Service by."""

    own: str
    probes: str
    program: str
    state: Path

    def helm_test(self, address: str) -> subprocess.CompletedProcess[str]:
        assert "//gate-portcullis:8484/" in self.program
        text = self.program.replace("gate-portcullis:8484", address).replace(
            "timeout=60", "timeout=9"
        )
        words = [sys.executable, "-c", text]
        return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acted]:
    folder = tmp_path_factory.mktemp("pod")
    manifests = render(VALUES)
    mount(folder, "policies", one(manifests, "ConfigMap")["data"])
    mount(folder, "master-key", {"master.key": bytes(range(32))})
    (folder / "state").mkdir()
    data, probes = free_port(), free_port()
    told = variables(gateway_container(manifests), {}, folder)
    # This machine has one network for all tests.
    told["PORTCULLIS_LISTEN"] = told["PORTCULLIS_LISTEN"].replace("8484", str(data))
    told["PORTCULLIS_PROBES"] = told["PORTCULLIS_PROBES"].replace("9484", str(probes))
    told["PORTCULLIS_ADMIN"] = "127.0.0.1:0"
    (program,) = one(manifests, "Pod")["spec"]["containers"][0]["args"]
    with Container(gateway_container(manifests), told):
        own = f"127.0.0.1:{data}"
        yield Acted(own, f"http://127.0.0.1:{probes}", program, folder / "state")


def test_it_runs_by_the_charts_environment_and_writes_into_its_volume_alone(acted: Acted) -> None:
    assert call(acted.probes, "/readyz", method="GET").status == 200
    written = {path.name for path in acted.state.iterdir()}
    assert {"state.db", "audit"} <= written
    assert "master.key" not in written  # it has the Secret's


def test_helm_test_passes_where_the_gateway_answers(acted: Acted) -> None:
    done = acted.helm_test(acted.own)
    assert done.returncode == 0, done.stderr
    assert "ptx_" in done.stdout


def test_helm_test_fails_where_something_else_answers_or_nothing(acted: Acted) -> None:
    probes = acted.probes.removeprefix("http://")
    assert "not the gateway's" in acted.helm_test(probes).stderr
    assert acted.helm_test(f"127.0.0.1:{free_port()}").returncode != 0
