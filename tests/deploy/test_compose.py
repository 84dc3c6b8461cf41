"""compose.yaml and what it mounts: nothing is missing, nothing is open, nothing floats."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.settings import FLAGS
from tests.structure.house import ROOT

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
ENV_EXAMPLE = (ROOT / "env.example").read_text()
# Beside the flags' own variables.
OTHER_SETTINGS = {"PORTCULLIS_MASTER_KEY_FILE", "PORTCULLIS_REDIS_PASSWORD"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def mounts(service: str) -> list[str]:
    return [str(each).split(":")[0] for each in SERVICES[service].get("volumes", [])]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_there(service: str) -> None:
    for source in mounts(service):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("service", SERVICES)
def test_images_have_a_version_and_ports_are_this_machines(service: str) -> None:
    name, _, tag = SERVICES[service]["image"].partition(":")
    assert re.search(r"\d+\.\d+", tag), f"{name} floats"
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


def test_variables_of_the_file_are_those_of_env_example() -> None:
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) | {
        secret["environment"] for secret in COMPOSE["secrets"].values()
    }
    assert set(re.findall(r"^(\w+)=", ENV_EXAMPLE, re.MULTILINE)) == wanted


def test_env_example_holds_no_value() -> None:
    assert re.findall(r"^\w+=(.+)$", ENV_EXAMPLE, re.MULTILINE) == []


def test_settings_of_the_gateway_are_ones_that_it_has() -> None:
    known = {flag.variable for flag in FLAGS} | OTHER_SETTINGS
    given = {name for name in SERVICES["portcullis"]["environment"] if "PORTCULLIS" in name}
    assert given <= known


def test_the_gateway_has_no_right_that_it_does_not_need() -> None:
    gateway = SERVICES["portcullis"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in gateway["security_opt"]
    (secret,) = gateway["secrets"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {secret['uid']}:{secret['gid']}" in dockerfile


def test_redis_is_reached_from_inside_alone_and_forgets_nothing() -> None:
    redis = SERVICES["redis"]
    assert redis["networks"] == ["back"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    command = redis["command"][-1]
    for words in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert words in command


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    shutil.copy(ROOT / "deploy" / "prometheus.yaml", tmp_path)
    shutil.copytree(ROOT / "helm" / "portcullis" / "alerts", tmp_path / "alerts")
    done = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "prometheus.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    folder = ROOT / "deploy" / "grafana"
    (source,) = read(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"].removeprefix("http://").split(":")[0] in SERVICES
    (provider,) = read(folder / "dashboards" / "portcullis.yaml")["providers"]
    targets = [str(each).split(":")[1] for each in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in targets
