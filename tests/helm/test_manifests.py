"""Whatever is switched on, a cluster takes what the chart makes: every object by the schemas of
Kubernetes and of the Prometheus operator, every pod by the restricted profile."""

from __future__ import annotations

import functools
import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.helm.chart import BIN, CHART, NEWEST, OLDEST, helm, needs_helm, objects, pods, render
from tests.helm.switches import ALL

pytestmark = needs_helm

SCHEMAS = "{{.ResourceKind}}{{.KindSuffix}}.json"


@functools.cache
def rendered(name: str) -> str:
    return render(ALL[name])


def kubeconform(manifests: str, version: str) -> str:
    """What is wrong with them in one version of Kubernetes; nothing where nothing is."""
    place = BIN / "schemas" / version / SCHEMAS
    done = subprocess.run(
        [str(BIN / "kubeconform"), "-strict", "-schema-location", str(place), "-"],
        input=manifests,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def api_server(manifests: str) -> str:
    """What the API server's own code says against them; nothing where it says nothing."""
    done = subprocess.run(
        [str(BIN / "apivalidate")], input=manifests, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def pod_security(level: str, found: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Pod -> why this level of the Pod Security Standards refuses it."""
    done = subprocess.run(
        [str(BIN / "podsecurity"), level],
        input=json.dumps(found),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reasons = json.loads(done.stdout)
    return {pod["name"]: why for pod, why in zip(found, reasons, strict=True) if why}


@pytest.mark.parametrize("name", ALL)
def test_helm_finds_no_fault(name: str) -> None:
    done = helm("lint", str(CHART), "--strict", "--kube-version", NEWEST, values=ALL[name])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ALL)
def test_kubernetes_takes_every_object(name: str, version: str) -> None:
    manifests = rendered(name)
    assert objects(manifests) or name == "sidecar, default"
    assert kubeconform(manifests, version) == ""


@pytest.mark.parametrize("name", ALL)
def test_the_api_server_would_create_every_object(name: str) -> None:
    assert api_server(rendered(name)) == ""


@pytest.mark.parametrize("name", [name for name in ALL if "lock" not in name])
def test_every_pod_keeps_to_the_restricted_profile(name: str) -> None:
    found = pods(rendered(name))
    assert found or "sidecar" in name
    assert pod_security("restricted", found) == {}
    for pod in found:
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["limits"]["memory"]
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_the_lock_breaks_the_restricted_profile_by_one_container_alone() -> None:
    found = pods(render(ALL["sidecar, lock"]))
    assert pod_security("restricted", found)
    found[0]["spec"]["initContainers"].pop(0)
    assert pod_security("restricted", found) == {}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restartPolicy: Never", "restartPoliy: Never"),
        ("replicas: 1", 'replicas: "one"'),
        ("policyTypes: [Ingress", "policyTypes: [7"),
        ("apiVersion: apps/v1", "apiVersion: apps/v7"),
    ],
)
def test_the_schemas_would_see_a_mistake(right: str, wrong: str) -> None:
    manifests = render()
    assert right in manifests
    assert kubeconform(manifests.replace(right, wrong), NEWEST) != ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("name: gate-portcullis\n", "name: gate_portcullis\n"),
        ("{name: data, containerPort: 8484}", "{name: far-too-long-for-a-port, containerPort: 1}"),
        ("mountPath: /tmp}", "mountPath: /var/lib/portcullis}"),
        ("serviceAccountName: gate", "serviceAccountName: Gate"),
        ("fe80::/10", "10.0.0.0/8"),
    ],
)
def test_the_api_server_would_see_what_schemas_cannot(right: str, wrong: str) -> None:
    manifests = rendered("gateway, default")
    assert right in manifests
    assert api_server(manifests.replace(right, wrong)) != ""


def test_labels_of_ones_own_come_to_all_and_take_the_place_of_none_that_selects() -> None:
    scraped = {"monitoring": {"scrape": {"enabled": True, "labels": {"release": "prometheus"}}}}
    for each in objects(render(ALL["gateway, placed"] | scraped)):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "gate", each["kind"]
        assert labels["team"] == "platform", each["kind"]
    (pod, _) = pods(render(ALL["gateway, placed"]))
    assert pod["labels"]["app.kubernetes.io/instance"] == "gate"
    assert (pod["labels"]["team"], pod["labels"]["tier"]) == ("agents", "edge")


def test_no_secret_is_made_and_no_value_would_hold_one() -> None:
    for name in ALL:
        assert not [each for each in objects(rendered(name)) if each["kind"] == "Secret"]
    asked = yaml.safe_load((CHART / "values.yaml").read_text())
    assert not {"password", "url", "username"} & set(asked["redis"])
    assert set(asked["credentials"]) == {"env", "files"}
