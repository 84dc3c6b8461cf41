"""Values that would not do what they seem to are refused, with a sentence that says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, SHARED, helm, needs_helm, refusal

POLICY = "version: 1\n"


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 2}, "replicas: 2 needs redis.existingSecret"),
        ({"autoscaling": {"enabled": True}}, "autoscaling.enabled needs redis.existingSecret"),
        ({"redis": {"existingSecret": "redis"}}, "redis.existingSecret needs masterKey"),
        ({"mode": "sidecar", "redis": {"existingSecret": "redis"}}, "needs masterKey"),
        ({"persistence": {"enabled": False}}, "persistence.enabled: false needs redis"),
        (SHARED | {"persistence": {"enabled": False}}, "needs an audit log that leaves the pod"),
        ({"audit": {"to": "otlp"}}, "set otlp.endpoint to a collector"),
        ({"audit": {"copies": ["otlp"]}}, "set otlp.endpoint to a collector"),
        ({"audit": {"to": "stdout", "copies": ["stdout"]}}, "audit.copies names where"),
        (
            SHARED | {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}},
            "autoscaling.minReplicas is more than",
        ),
        (
            SHARED | {"autoscaling": {"enabled": True, "inFlight": 0, "cpu": 0}},
            "autoscaling.enabled needs a measure",
        ),
        (
            {"policies": {"files": {"p.yaml": POLICY}, "existingConfigMap": "p"}},
            "exclude each other",
        ),
        ({"policies": {"files": {"openapi.json": "{}"}}}, "policies.files has no *.yaml"),
        ({"tls": {"clientCaKey": "ca.crt"}}, "tls.clientCaKey needs tls.existingSecret"),
        (
            {"mode": "sidecar", "sidecar": {"egressLock": {"enabled": True}}},
            "needs sidecar.egressLock.image",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], said: str) -> None:
    assert said in refusal(values)


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"redis": {"url": "redis://h"}}, "additional properties 'url' not allowed"),
        ({"mode": "proxy"}, "/mode"),
        ({"replicas": "two"}, "/replicas"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"runAs": {"user": 0}}, "/runAs/user"),
        ({"sidecar": {"admin": "127.0.0.1:9485"}}, "/sidecar/admin"),
        ({"sidecar": {"sdks": ["cohere"]}}, "/sidecar/sdks/0"),
        ({"networkPolicy": {"agents": []}}, "/networkPolicy/agents"),
        ({"networkPolicy": {"agents": [{"namespace": "a"}]}}, "/networkPolicy/agents/0"),
        ({"credentials": {"env": {"OPENAI_API_KEY": "sk-plain"}}}, "/credentials/env"),
        ({"persistence": {"accessMode": "ReadWriteMany"}}, "/persistence/accessMode"),
    ],
)
def test_the_schema_names_the_value_that_is_wrong(values: dict[str, Any], said: str) -> None:
    assert said in refusal(values)


@needs_helm
def test_a_cluster_without_native_sidecars_is_refused() -> None:
    done = helm("template", "gate", str(CHART), "--kube-version", "1.28.0")
    assert "kubeVersion: >=1.30" in done.stderr


def test_the_schema_has_the_keys_of_the_values_and_no_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    # What another chart may hand down to this one.
    assert {"global", "enabled"} <= set(schema["properties"])
    del schema["properties"]["global"], schema["properties"]["enabled"]
    differ(schema, values, "")


def differ(schema: dict[str, Any], values: dict[str, Any], path: str) -> None:
    """Fails with the place where schema and values name other keys."""
    assert schema.get("additionalProperties") is False, f"{path or 'the top'} takes any key"
    told, real = set(schema["properties"]), set(values)
    # A behaviour or a resource that is not set has its place all the same.
    assert real <= told, f"{path}: {real - told} is not in the schema"
    assert told - real <= {"claims", "scaleUp"}, f"{path}: {told - real} is not in values.yaml"
    for key, value in values.items():
        inner = schema["properties"][key]
        if isinstance(value, dict) and inner.get("properties"):
            differ(inner, value, f"{path}.{key}")
