"""What the chart tells the program, the program knows and can use."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from gateway.config.load import load_texts
from gateway.config.settings import FLAGS, MASTER_KEY_VARIABLE, add_settings, read_settings
from gateway.lifecycle import check_anonymous, check_settings
from gateway.state.redis_url import VARIABLES
from gateway.telemetry.logs import LEVEL_VARIABLE
from gateway.telemetry.trace_settings import read_trace_settings
from tests.helm.acting import variables
from tests.helm.chart import ROOT, gateway_container, needs_helm, one, render
from tests.helm.switches import ALL, POLICY

pytestmark = needs_helm

KNOWN = {
    *(flag.variable for flag in FLAGS),
    "PORTCULLIS_ALLOW_ANONYMOUS",
    MASTER_KEY_VARIABLE,
    LEVEL_VARIABLE,
    *VARIABLES.values(),
}
SECRETS = {
    "PORTCULLIS_STATE": "rediss+sentinel://one.redis:26379,two.redis:26379/main",
    "PORTCULLIS_REDIS_USERNAME": "gate",
    "PORTCULLIS_REDIS_PASSWORD": "swordfish",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=swordfish",
    "OPENAI_API_KEY": "sk-fake",
}
WITH_GATEWAY = [
    name
    for name, values in ALL.items()
    if values["mode"] == "gateway" or values.get("sidecar", {}).get("example")
]


@pytest.mark.parametrize("name", WITH_GATEWAY)
def test_the_program_takes_what_it_is_told(name: str, tmp_path: Path) -> None:
    container = gateway_container(render(ALL[name]))
    told = variables(container, SECRETS, tmp_path)
    unknown = {each for each in told if each.startswith("PORTCULLIS_")} - KNOWN
    assert not unknown
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names)), "set twice"

    settings = read_settings({}, told)
    check_settings(settings)
    read_trace_settings(told)
    listening = {settings.listen.port, settings.probes.port}
    assert {each["containerPort"] for each in container["ports"]} <= listening
    assert settings.workers == ALL[name].get("workers", 1)


@pytest.mark.parametrize("name", ["gateway, default", "sidecar, example"])
def test_the_command_has_no_flag_that_serve_has_not(name: str) -> None:
    command, *flags = gateway_container(render(ALL[name]))["args"]
    assert command == "serve"
    parser = argparse.ArgumentParser()
    add_settings(parser)
    parser.parse_args(flags)


def test_the_image_is_started_as_it_was_made() -> None:
    """The chart gives arguments to the image's own entry point, and `helm test` its Python."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    found = re.search(r"^ENTRYPOINT (\[.*\])$", dockerfile, re.MULTILINE)
    assert found is not None
    entry = json.loads(found[1])
    assert entry[1:] == ["-m", "gateway"]
    manifests = render()
    assert "command" not in gateway_container(manifests)
    asked = one(manifests, "Pod")["spec"]["containers"][0]
    assert asked["command"][0] == entry[0]
    compile(asked["args"][0], "helm test", "exec")


def test_a_policy_in_the_values_is_one_that_serve_would_take(tmp_path: Path) -> None:
    values = {
        "policies": {"files": {"portcullis.yaml": POLICY}},
        "credentials": {"env": {"OPENAI_API_KEY": {"secret": "providers", "key": "openai"}}},
    }
    manifests = render(values)
    told = variables(gateway_container(manifests), SECRETS, tmp_path)
    texts = {name: text.encode() for name, text in one(manifests, "ConfigMap")["data"].items()}
    loaded = load_texts(texts, told)
    check_anonymous(read_settings({}, told), loaded)
    credential = loaded.file.upstreams["openai"].credential
    assert credential is not None and credential.get_secret_value() == "sk-fake"
