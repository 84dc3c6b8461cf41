"""compose.yaml and what it mounts: nothing is missing, nothing is open, nothing floats."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.keys import LENGTH, load_master_key
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
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
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


def test_the_master_key_is_a_file_that_a_read_only_container_can_be_given(tmp_path: Path) -> None:
    """Compose refuses a secret from a variable there (docker/compose#12531), and mounts a file with
    the mode that it has. The steps are those of the docs."""
    (secret,) = SERVICES["portcullis"]["secrets"]
    path = COMPOSE["secrets"][secret]["file"].removeprefix("./")
    docs = (ROOT / "docs" / "docker.md").read_text()
    steps = [line for line in docs.splitlines() if path in line]
    assert all(f"#   {step}" in TEXT for step in steps)
    subprocess.run(["sh", "-ec", "\n".join(steps)], cwd=tmp_path, check=True)
    key = tmp_path / path
    assert len(load_master_key(key)) == LENGTH
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o444, 0o700)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/{Path(path).parent}/" in ignored and "/.env" in ignored


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
