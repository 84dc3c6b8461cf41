"""The gateway's mode: what runs, how it stops, scales and spreads, and who may talk to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.chart import (
    SHARED,
    Object,
    by_kind,
    environment,
    gateway_container,
    needs_helm,
    objects,
    one,
    pods,
    render,
)
from tests.helm.switches import ALL

pytestmark = needs_helm

POLICIES = {"policies": {"files": {"portcullis.yaml": "version: 1\nlimits: {drain: 2m5s}\n"}}}


def pod(manifests: str) -> Object:
    """The gateway's pod."""
    (found,) = [each for each in pods(manifests) if not each["name"].endswith("-test")]
    spec: Object = found["spec"]
    return spec


# --- what runs ---


def test_alone_it_has_a_volume_that_outlives_its_pod_and_no_redis() -> None:
    workload = one(render(), "StatefulSet")["spec"]
    (claim,) = workload["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert workload["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    variables = environment(gateway_container(render()))
    assert variables["PORTCULLIS_STATE"] == "sqlite:////var/lib/portcullis/state.db"
    assert variables["PORTCULLIS_AUDIT"].startswith("/var/lib/portcullis/")
    mounts = {each["name"]: each for each in gateway_container(render())["volumeMounts"]}
    assert mounts["state"]["mountPath"] == "/var/lib/portcullis"


def test_replicas_share_redis_and_the_master_key_and_each_keeps_an_audit_log_of_its_own() -> None:
    manifests = render(SHARED | {"replicas": 3})
    assert one(manifests, "StatefulSet")["spec"]["replicas"] == 3
    container = gateway_container(manifests)
    by_name = {each["name"]: each for each in container["env"]}
    reference = by_name["PORTCULLIS_STATE"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "redis", "key": "url"}
    key = environment(container)["PORTCULLIS_MASTER_KEY_FILE"]
    (mount,) = [each for each in container["volumeMounts"] if key.startswith(each["mountPath"])]
    (volume,) = [each for each in pod(manifests)["volumes"] if each["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "portcullis-master-key"
    assert "state" not in {each["name"] for each in pod(manifests)["volumes"]}  # a claim for each


def test_where_nothing_stays_on_disk_it_is_a_deployment_that_is_replaced_without_a_gap() -> None:
    manifests = render(ALL["gateway, deployment"])
    workload = one(manifests, "Deployment")["spec"]
    assert workload["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert environment(gateway_container(manifests))["PORTCULLIS_AUDIT"] == "stdout:"
    (state,) = [each for each in pod(manifests)["volumes"] if each["name"] == "state"]
    assert "emptyDir" in state


def test_an_autoscaler_is_not_overruled_by_a_number_of_replicas() -> None:
    manifests = render(SHARED | {"autoscaling": {"enabled": True}})
    workload, scaler = one(manifests, "StatefulSet"), one(manifests, "HorizontalPodAutoscaler")
    assert "replicas" not in workload["spec"]
    assert scaler["spec"]["scaleTargetRef"]["kind"] == workload["kind"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]
    in_flight, cpu = scaler["spec"]["metrics"]
    assert in_flight["pods"]["metric"]["name"] == "portcullis_requests_in_flight"
    assert cpu["resource"]["name"] == "cpu"


def test_the_metric_that_it_scales_by_exists() -> None:
    from gateway.telemetry.declared import Declared

    assert Declared().families.all["portcullis_requests_in_flight"].type == "gauge"


# --- how it stops ---


@pytest.mark.parametrize(
    ("values", "grace"),
    [({}, 45), (POLICIES, 140), (POLICIES | {"drainSeconds": 7}, 22), ({"drainSeconds": 0}, 15)],
)
def test_a_pod_has_the_time_that_its_calls_have(values: dict[str, Any], grace: int) -> None:
    """Five seconds of the hook, the drain, ten to write the log's end."""
    spec = pod(render(values))
    assert spec["terminationGracePeriodSeconds"] == grace
    assert spec["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}


def test_the_drain_is_the_gateways_own_default() -> None:
    from gateway.config.policy_file import Limits

    assert Limits().drain == 30


# --- the policy and what it reads ---


def test_the_policy_is_a_folder_that_changes_while_it_runs() -> None:
    manifests = render(POLICIES)
    config = one(manifests, "ConfigMap")
    assert config["data"] == POLICIES["policies"]["files"]
    container = gateway_container(manifests)
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "portcullis-policies"]
    assert "subPath" not in mount
    assert environment(container)["PORTCULLIS_POLICIES"] == mount["mountPath"]
    annotations = one(manifests, "StatefulSet")["spec"]["template"]["metadata"].get("annotations")
    assert annotations is None  # no checksum: a changed policy restarts nothing


def test_without_a_policy_the_packaged_starter_is_served() -> None:
    assert "PORTCULLIS_POLICIES" not in environment(gateway_container(render()))
    assert ("ConfigMap", "gate-portcullis-policies") not in by_kind(render())


def test_the_admin_listener_is_out_of_the_networks_reach() -> None:
    assert environment(gateway_container(render()))["PORTCULLIS_ADMIN"] == "127.0.0.1:9485"
    ports = [each["containerPort"] for each in gateway_container(render())["ports"]]
    assert 9485 not in ports
    offered = [each for each in objects(render()) if each["kind"] == "Service"]
    assert {port["port"] for each in offered for port in each["spec"]["ports"]} == {8484, 9484}


def test_the_scrape_finds_the_port_that_metrics_are_on() -> None:
    manifests = render({"monitoring": {"scrape": {"enabled": True}}})
    monitor = one(manifests, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"]
    (service,) = [
        each
        for each in objects(manifests)
        if each["kind"] == "Service" and wanted.items() <= each["metadata"]["labels"].items()
    ]
    (endpoint,) = monitor["endpoints"]
    (port,) = service["spec"]["ports"]
    assert port["name"] == endpoint["port"]
    listens = {
        each["name"]: each["containerPort"] for each in gateway_container(manifests)["ports"]
    }
    assert listens[port["targetPort"]] == 9484


def test_selectors_find_the_gateways_pods_and_not_the_test() -> None:
    manifests = render()
    workload = one(manifests, "StatefulSet")["spec"]
    wanted = workload["selector"]["matchLabels"].items()
    assert wanted <= workload["template"]["metadata"]["labels"].items()
    assert not wanted <= one(manifests, "Pod")["metadata"]["labels"].items()
    assert (
        one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() == wanted
    )
    for spread in workload["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() == wanted
