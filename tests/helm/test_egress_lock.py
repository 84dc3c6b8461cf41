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
from tests.helm.chart import ROOT, Object, gateway_container, needs_helm, one, pods, render
from tests.helm.lock_world import ADMIN, DATABASE, PROVIDER, USED
from tests.helm.namespaces import POD, WORLD, Namespaces, namespaces, path, run

pytestmark = needs_helm

PORT, PROBES = 8484, 9484
HELLO = "Hello there."
KEY, OWN = "sk-only-the-gateway-has-it", "agents-own"
# The gateway's user may not be able to read the checkout; that right has nothing to do with the
# network. It starts as the container does otherwise: no capability, none to be had.
READS = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
NO_MORE = ["--bounding-set=-all,+dac_read_search", "--no-new-privs", "--clear-groups"]
NO_CAPABILITY = ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--clear-groups"]
ASK_A_NAME = (
    "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(5)\n"
    f"s.bind(('', {USED})); s.connect(('{WORLD}', 53)); s.send(b'?'); print(s.recv(9).decode())"
)
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
            "admin": "unix:/var/lib/portcullis/admin.sock",
            "egressLock": {"enabled": True, "image": "example.com/nft:1", **lock},
            "example": {"enabled": True, "env": [{"name": "OPENAI_API_KEY", "value": OWN}]},
        },
    }


@dataclass
class Pod:
    """A pod whose gateway runs. `folder` is where its volumes are, and the file `shown` with the
    credentials that the provider has seen."""

    both: Namespaces
    container: Object
    told: dict[str, str]
    folder: Path
    gateway: Container | None = None

    @property
    def shown(self) -> Path:
        return self.folder / "shown"

    def start(self) -> None:
        """Start the gateway's container, as its user."""
        before = [*self.both.inside(self.both.pod), *as_user(self.container)]
        self.gateway = Container(self.container, self.told, before)
        self.gateway.__enter__()

    def stop(self) -> None:
        if self.gateway:
            self.gateway.__exit__(None, None, None)
            self.gateway = None

    def lock(self, **options: Any) -> None:
        """Run the lock's init container."""
        (pod,) = pods(render(values(**options)))
        container = pod["spec"]["initContainers"][0]
        assert container["name"] == "portcullis-egress-lock"
        run(*self.both.inside(self.both.pod), *container["command"], *container["args"])

    def unlock(self) -> None:
        run(*self.both.inside(self.both.pod), "nft", "flush", "ruleset")

    def agent(self, user: int | None = None) -> dict[str, str]:
        """What the example's agent gets that tries everything, as its user or another."""
        (pod,) = pods(render(values()))
        (agent,) = pod["spec"]["containers"]
        user = agent["securityContext"]["runAsUser"] if user is None else user
        before = ["env", *(f"{each['name']}={each['value']}" for each in agent["env"])]
        before += [] if user else ["setpriv", *NO_CAPABILITY]
        pid = str(self.gateway.pid) if self.gateway else "0"
        (key,) = self.folder.rglob("master.key")
        inside = self.both.inside(self.both.pod)
        # As the gateway's user a name is asked for first: the kernel remembers that for a while.
        asks = [*inside, *as_user(self.container), sys.executable, "-c", ASK_A_NAME]
        assert run(*asks) == "?\n"
        files = [str(key), self.told["PORTCULLIS_ADMIN"].removeprefix("unix:")]
        words = [sys.executable, "-m", "tests.helm.lock_agent", str(user), pid, *files]
        told: dict[str, str] = json.loads(run(*inside, *before, *words))
        return told

    def credentials(self) -> set[str]:
        return set(self.shown.read_text().split("\n")) - {""}


def as_user(container: Object) -> list[str]:
    user = container["securityContext"]["runAsUser"]
    return ["setpriv", f"--reuid={user}", f"--regid={user}", *READS, *NO_MORE]


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
            (folder / "state").mkdir()  # as open as a volume may be; the files in it are not
            os.chown(folder / "state", user, user)
            told = variables(container, {"OPENAI_API_KEY": KEY}, folder)
            made = Pod(both, container, {**told, "PATH": path()}, folder)
            made.shown.touch()
            admin = [*both.inside(both.pod), *as_user(container)]
            with (
                Outside(both.inside(both.world), "-m", "tests.helm.lock_world", str(made.shown)),
                Outside(admin, "-c", LISTEN_AS_ADMIN),
            ):
                made.start()
                yield made
                made.stop()
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


REFUSED = {
    "provider": "ConnectionRefusedError",
    "provider over IPv6": "ConnectionRefusedError",
    "database": "ConnectionRefusedError",
    "name server": "refused",
    "name server over TCP": "ConnectionRefusedError",
    "name server over IPv6": "refused",
    "name server from the gateway's port": "refused",
    "admin listener": "ConnectionRefusedError",
    "admin socket": "PermissionError",
    "raw socket": "PermissionError",
    "raw socket as its own root": "refused",
    "packet socket": "PermissionError",
    "the gateway's environment": "PermissionError",
    "the gateway's memory": "PermissionError",
    "the gateway's secrets": "PermissionError",
    "the gateway's user": "PermissionError",
    "the lock": "refused",
}


def test_without_the_lock_an_agent_goes_where_it_likes(pod: Pod) -> None:
    """A sidecar alone is no boundary; and these attempts can succeed."""
    pod.unlock()
    told = pod.agent()
    assert told["gateway"] == told["gateway by the SDK"] == HELLO
    assert told["provider"] == told["provider over IPv6"] == HELLO
    assert told["database"] == told["admin listener"] == "connected"
    names = {told[each] for each in REFUSED if each.startswith("name server")}
    assert names == {"any question", "connected"}
    assert pod.credentials() == {f"Bearer {KEY}", f"Bearer {OWN}"}


@pytest.mark.parametrize("user", [None, 0], ids=["the agent's user", "root without capabilities"])
def test_the_lock_leaves_the_gateway_as_the_only_way(pod: Pod, user: int | None) -> None:
    pod.unlock()
    pod.shown.write_text("")
    pod.lock()
    told = pod.agent(user)
    assert told.pop("gateway") == told.pop("gateway by the SDK") == HELLO
    assert pod.credentials() == {f"Bearer {KEY}"}
    assert KEY not in told.pop("the gateway's command line")
    assert told == REFUSED


def test_the_lock_holds_while_the_gateway_restarts(pod: Pod) -> None:
    pod.lock()
    pod.stop()
    told = pod.agent()
    assert told["gateway"] == told["provider"] == "ConnectionRefusedError"
    assert told["provider over IPv6"] == told["database"] == "ConnectionRefusedError"
    pod.start()
    told = pod.agent()
    assert told["gateway"] == HELLO
    assert told["provider"] == "ConnectionRefusedError"


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
