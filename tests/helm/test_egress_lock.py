"""The sidecar's egress lock acted out: a pod's network in one namespace, the gateway and an agent
in it as two users, a provider outside. The rules are the chart's own, set as its init container
does it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helm.acting import Container, mount, variables
from tests.helm.chart import ROOT, gateway_container, needs_helm, one, pods, render
from tests.helm.lock_world import ADMIN, DATABASE, PROVIDER
from tests.helm.namespaces import POD, WORLD, Namespaces, namespaces, path, run

pytestmark = needs_helm

PORT, PROBES = 8484, 9484
HELLO = "Hello there."
KEY = "sk-only-the-gateway-has-it"
# The gateway's user may not be able to read the checkout; that right has nothing to do with the
# network. It starts as the container does otherwise: no capability, none to be had.
READS = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
NO_MORE = ["--bounding-set=-all,+dac_read_search", "--no-new-privs", "--clear-groups"]
LISTEN_AS_ADMIN = (
    f"import socket; s = socket.create_server(('127.0.0.1', {ADMIN}))\n"
    "print('ready', flush=True)\n"
    "while True: s.accept()[0].close()"
)

POLICY = {
    "version": 1,
    "upstreams": {
        "openai": {
            "provider": "openai",
            "url": f"http://{WORLD}:{PROVIDER}",
            "credential": "${OPENAI_API_KEY}",
        }
    },
    "tenants": {"agent": {"policies": ["baseline"]}},
    "default_tenant": "agent",
    "policies": {"baseline": {"rules": [{"kind": "loop"}]}},
}


def values(**lock: Any) -> dict[str, Any]:
    return {
        "mode": "sidecar",
        "policies": {"files": {"portcullis.yaml": json.dumps(POLICY)}},
        "credentials": {"env": {"OPENAI_API_KEY": {"secret": "providers", "key": "openai"}}},
        "sidecar": {
            "port": PORT,
            "probesPort": PROBES,
            "egressLock": {"enabled": True, "image": "example.com/nft:1", **lock},
            "example": {"enabled": True},
        },
    }


@dataclass
class Pod:
    """A pod whose gateway runs. `shown`: the credentials that the provider has seen."""

    both: Namespaces
    gateway: Container
    shown: Path

    def lock(self, **options: Any) -> None:
        """Run the lock's init container."""
        (pod,) = pods(render(values(**options)))
        container = pod["spec"]["initContainers"][0]
        assert container["name"] == "portcullis-egress-lock"
        run(*self.both.inside(self.both.pod), *container["command"], *container["args"])

    def unlock(self) -> None:
        run(*self.both.inside(self.both.pod), "nft", "flush", "ruleset")

    def agent(self) -> dict[str, str]:
        """What an agent gets that tries everything."""
        (pod,) = pods(render(values()))
        user = str(pod["spec"]["containers"][0]["securityContext"]["runAsUser"])
        words = [sys.executable, "-m", "tests.helm.lock_agent", user, str(PORT)]
        text = run(*self.both.inside(self.both.pod), *words, str(self.gateway.pid))
        told: dict[str, str] = json.loads(text)
        return told

    def credentials(self) -> set[str]:
        return set(self.shown.read_text().split("\n")) - {""}


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    manifests = render(values())
    container = gateway_container(manifests)
    user = container["securityContext"]["runAsUser"]
    folder = Path(tempfile.mkdtemp(prefix="ptc-pod-"))
    folder.chmod(0o755)
    try:
        with namespaces() as both:
            mount(folder, "policies", one(manifests, "ConfigMap")["data"])
            (folder / "state").mkdir(mode=0o700)
            os.chown(folder / "state", user, user)
            told = variables(container, {"OPENAI_API_KEY": KEY}, folder)
            as_user = [f"--reuid={user}", f"--regid={user}", *READS, *NO_MORE]
            before = [*both.inside(both.pod), "setpriv", *as_user]
            shown = folder / "shown"
            shown.touch()
            with (
                Outside(both.inside(both.world), "-m", "tests.helm.lock_world", str(shown)),
                Outside(before, "-c", LISTEN_AS_ADMIN),
                Container(container, {**told, "PATH": path()}, before) as gateway,
            ):
                yield Pod(both, gateway, shown)
    finally:
        shutil.rmtree(folder)


class Outside:
    """A Python program that says `ready`, in another namespace, until the block ends."""

    def __init__(self, before: list[str], *words: str) -> None:
        self._words = [*before, sys.executable, *words]

    def __enter__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env={"PATH": path()}
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def test_without_the_lock_an_agent_goes_where_it_likes(pod: Pod) -> None:
    """A sidecar alone is no boundary; and these attempts can succeed."""
    pod.unlock()
    told = pod.agent()
    assert told["gateway"] == HELLO
    assert told["provider"] == told["provider over IPv6"] == HELLO
    assert told["database"] == told["admin listener"] == "connected"
    assert told["name server"] == "any question"
    assert "Bearer agents-own" in pod.credentials()


def test_the_lock_leaves_the_gateway_as_the_only_way(pod: Pod) -> None:
    pod.unlock()
    pod.shown.write_text("")
    pod.lock()
    told = pod.agent()
    assert told.pop("gateway") == HELLO
    assert pod.credentials() == {f"Bearer {KEY}"}
    assert told == {
        "provider": "ConnectionRefusedError",
        "provider over IPv6": "ConnectionRefusedError",
        "database": "ConnectionRefusedError",
        "name server": told["name server"],
        "admin listener": "ConnectionRefusedError",
        "raw socket": "PermissionError",
        "the gateway's environment": "PermissionError",
        "the gateway's user": "PermissionError",
        "the lock": "refused",
    }
    assert told["name server"] in ("PermissionError", "ConnectionRefusedError", "OSError")


def test_the_lock_opens_what_is_named_and_can_be_set_again(pod: Pod) -> None:
    pod.lock()
    pod.lock(dns=True, alsoTo=[{"cidr": f"{WORLD}/32", "ports": [DATABASE]}])
    told = pod.agent()
    assert told["database"] == "connected"
    assert told["name server"] == "any question"
    assert told["provider"] == "ConnectionRefusedError"
    assert told["gateway"] == HELLO


def test_probes_and_scrapes_come_in_through_the_lock(pod: Pod) -> None:
    pod.lock()
    ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).status)"
    for page in ("/readyz", "/metrics"):
        url = f"http://{POD}:{PROBES}{page}"
        words = [sys.executable, "-c", ask, url]
        assert run(*pod.both.inside(pod.both.world), *words) == "200\n"
