"""The sidecar's mode: what the templates put into somebody's pod, acted out with the real SDKs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.provider import FakeProvider
from tests.helm.acting import Container, free_port, mount, variables
from tests.helm.chart import (
    ROOT,
    Object,
    environment,
    gateway_container,
    helm,
    needs_helm,
    one,
    pods,
    render,
)
from tests.helm.switches import ALL
from tests.helm.test_manifests import kubeconform, pod_security
from tests.proxy.wire import call

pytestmark = needs_helm

SDKS = ["openai", "anthropic", "gemini", "ollama", "azure_openai"]
SAID = "Hello there."


def agent(manifests: str) -> Object:
    """The agent's container of the example."""
    (pod,) = pods(manifests)
    return next(each for each in pod["spec"]["containers"] if each["name"] == "agent")


@pytest.fixture(scope="module")
def example() -> str:
    return render({"mode": "sidecar", "sidecar": {"example": {"enabled": True}}})


def test_it_is_a_native_sidecar_that_starts_first_and_ends_last(example: str) -> None:
    (pod,) = pods(example)
    (sidecar,) = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert "lifecycle" not in sidecar
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 60


def test_agents_reach_its_data_on_loopback_and_probes_come_from_outside(example: str) -> None:
    told = environment(gateway_container(example))
    assert told["PORTCULLIS_LISTEN"].startswith("127.0.0.1:")
    assert told["PORTCULLIS_PROBES"].startswith("0.0.0.0:")
    assert told["PORTCULLIS_ADMIN"] == "off"


def test_the_agent_is_another_user_and_holds_no_key() -> None:
    manifests = render(ALL["sidecar, secrets"])
    (pod,) = pods(manifests)
    container = agent(manifests)
    sidecar = gateway_container(manifests)
    assert container["securityContext"]["runAsUser"] != sidecar["securityContext"]["runAsUser"]
    assert "SECRET" not in environment(container).values()
    assert "volumeMounts" not in container
    assert pod["spec"].get("shareProcessNamespace") is None
    assert "OPENAI_API_KEY" in environment(sidecar)


def test_the_pod_monitor_finds_the_port_of_the_sidecar() -> None:
    manifests = render(ALL["sidecar, example"] | {"monitoring": {"scrape": {"enabled": True}}})
    monitor = one(manifests, "PodMonitor")["spec"]
    (pod,) = pods(manifests)
    assert monitor["selector"]["matchLabels"].items() <= pod["labels"].items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    (port,) = gateway_container(manifests)["ports"]
    assert endpoint["port"] == port["name"]


def test_only_the_sdks_that_are_named_are_pointed_at_it() -> None:
    values = {"sdks": ["anthropic"], "example": {"enabled": True}}
    told = environment(agent(render({"mode": "sidecar", "sidecar": values})))
    assert set(told) == {"ANTHROPIC_BASE_URL"}


# --- another chart's pod ---


@pytest.fixture(scope="module")
def own_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """helm/examples/agent, with what it depends on beside it."""
    folder = tmp_path_factory.mktemp("charts") / "helm"
    shutil.copytree(ROOT / "helm", folder)
    chart = folder / "examples" / "agent"
    built = helm("dependency", "build", str(chart))
    assert built.returncode == 0, built.stderr
    return chart


def test_another_chart_takes_it_in_with_three_templates(own_chart: Path) -> None:
    manifests = render(chart=own_chart, release="research")
    assert kubeconform(manifests, "1.36.3") == ""
    assert pod_security("restricted", pods(manifests)) == {}
    (pod,) = pods(manifests)
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["portcullis"]
    assert environment(agent(manifests))["OPENAI_BASE_URL"] == "http://127.0.0.1:8484/v1"
    mounted = {each["name"] for each in gateway_container(manifests)["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["spec"]["volumes"]}
    (policy,) = [each for each in pod["spec"]["volumes"] if "configMap" in each]
    one(manifests, "ConfigMap", policy["configMap"]["name"])


def test_another_chart_is_told_what_it_may_not_ask_for(own_chart: Path) -> None:
    wrong = {"portcullis": {"sidecar": {"egressLock": {"enabled": True}}}}
    done = helm("template", "a", str(own_chart), "--kube-version", "1.36.3", values=wrong)
    assert "needs sidecar.egressLock.image" in done.stderr


# --- acted out ---

CALLS = """
import json, sys
said = {}
import openai
client = openai.OpenAI(api_key="none")
message = [{"role": "user", "content": "Hello"}]
said["openai"] = client.chat.completions.create(model="gpt-4o-mini", messages=message)\\
    .choices[0].message.content
import anthropic
said["anthropic"] = anthropic.Anthropic(api_key="none").messages.create(
    model="claude-opus-4-6", max_tokens=100, messages=message).content[0].text
from google import genai
google = genai.Client(api_key="none")
said["gemini"] = google.models.generate_content(model="gemini-2.5-flash", contents="Hello").text
import ollama
said["ollama"] = ollama.Client().chat(model="qwen3", messages=message).message.content
said["azure_openai"] = openai.AzureOpenAI(api_key="none", api_version="2024-10-21")\\
    .chat.completions.create(model="gpt-4o-mini", messages=message).choices[0].message.content
print(json.dumps(said))
"""


def policy(url: str) -> str:
    upstreams = {
        name: {"provider": name, "url": url, "credential": "${PROVIDER_KEY}"} for name in SDKS
    }
    text = {
        "version": 1,
        "upstreams": upstreams,
        "tenants": {"agent": {"policies": ["baseline"]}},
        "default_tenant": "agent",
        "policies": {"baseline": {"rules": [{"kind": "loop"}]}},
    }
    return json.dumps(text)


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, FakeProvider, str]]:
    """A running sidecar: its manifests, the provider behind it, its probes' address."""
    folder = tmp_path_factory.mktemp("pod")
    port, probes = free_port(), free_port()
    with FakeProvider() as provider:
        values: dict[str, Any] = {
            "mode": "sidecar",
            "policies": {"files": {"portcullis.yaml": policy(provider.url)}},
            "credentials": {"env": {"PROVIDER_KEY": {"secret": "providers", "key": "all"}}},
            "sidecar": {
                "port": port,
                "probesPort": probes,
                "sdks": SDKS,
                "example": {"enabled": True},
            },
        }
        manifests = render(values)
        (folder / "state").mkdir()
        mount(folder, "policies", one(manifests, "ConfigMap")["data"])
        container = gateway_container(manifests)
        told = variables(container, {"PROVIDER_KEY": "sk-real"}, folder)
        with Container(container, told):
            yield manifests, provider, f"http://127.0.0.1:{probes}"


def test_every_sdk_calls_the_sidecar_by_the_environment_alone(
    acted: tuple[str, FakeProvider, str],
) -> None:
    manifests, provider, _ = acted
    done = subprocess.run(
        [sys.executable, "-c", CALLS],
        env={"PATH": "/usr/bin", "HOME": "/nowhere", **environment(agent(manifests))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(SDKS, SAID)
    assert len(provider.seen) == len(SDKS)
    for seen in provider.seen:
        held = " ".join(seen.headers.values())
        assert "sk-real" in held and "none" not in held.split()


def test_the_kubelets_probes_find_what_they_ask_for(acted: tuple[str, FakeProvider, str]) -> None:
    manifests, _, address = acted
    container = gateway_container(manifests)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert call(address, path, method="GET").status == 200
    assert call(address, "/metrics", method="GET").status == 200
