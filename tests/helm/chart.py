"""The chart as a cluster would get it: rendered by helm, read by the tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "portcullis"
BIN = Path(__file__).parent / "go" / "bin"
NEWEST, OLDEST = "1.36.3", "1.30.14"

needs_helm = pytest.mark.skipif(
    not (BIN / ".ready").exists(), reason="helm was not built: `make test` does it where go is"
)

# A gateway that shares its state; most switches need it.
SHARED: dict[str, Any] = {
    "redis": {"existingSecret": "redis"},
    "masterKey": {"existingSecret": "portcullis-master-key"},
}

Object = dict[str, Any]


def helm(*words: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm. `values` are handed over as a file is."""
    more = ["--values", "-"] if values is not None else []
    return subprocess.run(
        [str(BIN / "helm"), *words, *more],
        input=json.dumps(values) if values is not None else "",
        capture_output=True,
        text=True,
        check=False,
    )


def render(
    values: Mapping[str, Any] | None = None,
    chart: Path = CHART,
    release: str = "gate",
) -> str:
    """The manifests of a release in the namespace `agents-in`."""
    words = ["template", release, str(chart), "--namespace", "agents-in"]
    done = helm(*words, "--kube-version", NEWEST, values=values or {})
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(values: Mapping[str, Any]) -> str:
    """What helm says to values that it must not take."""
    done = helm("template", "gate", str(CHART), "--kube-version", NEWEST, values=values)
    assert done.returncode != 0
    return done.stderr


def objects(manifests: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(manifests) if each]


def by_kind(manifests: str) -> dict[tuple[str, str], Object]:
    """Kind and name -> object."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects(manifests)}
    assert len(found) == len(objects(manifests)), "two objects share kind and name"
    return found


def one(manifests: str, kind: str, name: str = "") -> Object:
    """The only object of a kind, or the one of that name."""
    found = [
        each
        for each in objects(manifests)
        if each["kind"] == kind and name in ("", each["metadata"]["name"])
    ]
    assert len(found) == 1, [each["metadata"]["name"] for each in found]
    return found[0]


def pods(manifests: str) -> list[Object]:
    """Every pod that would run: `name`, `labels`, `annotations`, `spec`."""
    found = []
    for each in objects(manifests):
        template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template")
        if template is not None:
            meta = template.get("metadata", {})
            found.append(
                {
                    "name": each["metadata"]["name"],
                    "labels": meta.get("labels", {}),
                    "annotations": meta.get("annotations", {}),
                    "spec": template["spec"],
                }
            )
    return found


def environment(container: Object) -> dict[str, str]:
    """The plain variables of a container; `SECRET` where a Secret gives the value."""
    return {
        each["name"]: str(each["value"]) if "value" in each else "SECRET"
        for each in container.get("env", [])
    }


def containers(pod: Object) -> Sequence[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def gateway_container(manifests: str) -> Object:
    """Portcullis's own container, in whichever pod it is."""
    found = [
        container
        for pod in pods(manifests)
        for container in containers(pod)
        if container["name"] == "portcullis"
    ]
    assert len(found) == 1
    return found[0]


def listens(manifests: str) -> dict[str, int]:
    """Portcullis's ports by name."""
    return {each["name"]: each["containerPort"] for each in gateway_container(manifests)["ports"]}
