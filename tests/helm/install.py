"""Builds what the chart's tests use, into tests/helm/go/bin: helm, kubeconform, two programs of the
API server's own code, and strict JSON schemas of Kubernetes and of the Prometheus operator.
`make test` runs it where Go is.

Everything comes through Go's module proxy, pinned: programs by go.mod and go.sum, the two modules
that only schemas are read of by the sums below. Kubernetes publishes its API as one OpenAPI
document (api/openapi-spec/swagger.json of the module); kubeconform wants a file a kind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

GO = Path(__file__).parent / "go"
BIN = GO / "bin"
PROGRAMS = ("helm.sh/helm/v3/cmd/helm", "github.com/yannh/kubeconform/cmd/kubeconform")

# The oldest Kubernetes that the chart promises, and the newest when this was written.
KUBERNETES = {
    "1.30.14": "h1:MrlKXh9uhLIJpyxOeXhcndzRVSvwiV9iJ8NgH8nqPsg=",
    "1.36.3": "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=",
}
OPERATOR = ("0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=")

INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def main() -> None:
    shutil.rmtree(BIN / "schemas", ignore_errors=True)
    run("go", "build", "-o", "bin/", *PROGRAMS, "./podsecurity", "./apivalidate")
    operator = module("github.com/prometheus-operator/prometheus-operator", *OPERATOR)
    monitors = list(of_operator(operator))
    for version, digest in KUBERNETES.items():
        folder = BIN / "schemas" / version
        folder.mkdir(parents=True)
        source = module("k8s.io/kubernetes", version, digest)
        document = json.loads((source / "api/openapi-spec/swagger.json").read_text())
        for name, schema in [*of_kubernetes(document), *monitors]:
            (folder / name).write_text(json.dumps(schema))


def run(*words: str) -> str:
    """Run a program in the Go module's folder; its output."""
    # What a machine sets for its own builds (vendoring, version stamps) is not meant for these.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"}
    return subprocess.run(
        words, cwd=GO, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def module(path: str, version: str, digest: str) -> Path:
    """The folder of a module's files, after its sum was compared."""
    told = json.loads(run("go", "mod", "download", "-json", f"{path}@v{version}"))
    if told["Sum"] != digest:
        raise SystemExit(f"{path} {version} is not what it was: {told['Sum']}")
    return Path(told["Dir"])


def of_kubernetes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and schema of every kind."""
    definitions = {name: strict(each) for name, each in document["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = INT_OR_STRING
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {
        "anyOf": [{"type": "number"}, {"type": "string"}]
    }
    for name, each in document["definitions"].items():
        kinds = each.get("x-kubernetes-group-version-kind", [])
        if len(kinds) != 1 or "metadata" not in each.get("properties", {}):
            continue
        used: set[str] = set()
        reach(definitions, name, used)
        schema = typed(definitions[name], kinds[0])
        schema["definitions"] = {other: definitions[other] for other in sorted(used)}
        yield file_name(kinds[0]), schema


def of_operator(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same for the Prometheus operator's own kinds, from their definitions for a cluster."""
    for plural in ("servicemonitors", "podmonitors", "prometheusrules"):
        path = source / "example/prometheus-operator-crd" / f"monitoring.coreos.com_{plural}.yaml"
        spec = yaml.safe_load(path.read_text())["spec"]
        for version in spec["versions"]:
            kind = {
                "group": spec["group"],
                "version": version["name"],
                "kind": spec["names"]["kind"],
            }
            yield file_name(kind), typed(strict(version["schema"]["openAPIV3Schema"]), kind)


def strict(schema: Any) -> Any:
    """The same schema, refusing keys that it does not name: a key misspelt is a key that does
    nothing."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    made = {
        key: {name: strict(each) for name, each in value.items()}
        if key == "properties"
        else strict(value)
        for key, value in schema.items()
        if key not in ("description", "default", "format")
    }
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in made and "additionalProperties" not in made and not open_ended:
        made["additionalProperties"] = False
    return made


def typed(schema: dict[str, Any], kind: dict[str, str]) -> dict[str, Any]:
    """The schema of an object of one kind, which says what it is."""
    version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    properties = {
        **schema["properties"],
        "apiVersion": {"enum": [version]},
        "kind": {"enum": [kind["kind"]]},
    }
    if "metadata" in properties and "$ref" not in properties["metadata"]:
        properties["metadata"] = {"type": "object"}  # a cluster's definition leaves it open
    required = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
    return {**schema, "properties": properties, "required": required}


def file_name(kind: dict[str, str]) -> str:
    """As kubeconform asks for it: `{{.ResourceKind}}{{.KindSuffix}}.json`."""
    group = kind["group"].partition(".")[0]
    parts = [kind["kind"].lower(), group, kind["version"]]
    return "-".join(part.lower() for part in parts if part) + ".json"


def reach(definitions: dict[str, Any], name: str, used: set[str]) -> None:
    """Put every definition that `name` refers to, by whatever way, into `used`."""
    todo = [definitions[name]]
    while todo:
        here = todo.pop()
        if isinstance(here, list):
            todo += here
        elif isinstance(here, dict):
            target = here.get("$ref")
            if isinstance(target, str):
                wanted = target.removeprefix("#/definitions/")
                if wanted not in used:
                    used.add(wanted)
                    todo.append(definitions[wanted])
            todo += here.values()


if __name__ == "__main__":
    main()
