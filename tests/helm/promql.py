"""What the tests of alerts and dashboards share: promtool, and what an expression names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.telemetry.declared import Declared
from gateway.telemetry.families import Family, Histogram
from tests.helm.chart import CHART

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian and Ubuntu: apt install prometheus)"
)
ALERT_FILES = sorted((CHART / "alerts").glob("*.yaml"))
_METRIC = re.compile(r"\b(portcullis_[a-z0-9_]+)\b(?:\s*\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
OF_PROMETHEUS = {"namespace", "job", "instance", "pod", "le"}
"""Labels that come from the scrape or from a histogram."""

OF_GRAFANA = {"$__rate_interval": "5m", "$__range": "6h", "$job": ".*", "$namespace": ".*"}
"""Grafana's variables, and what they may stand for."""


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert of the chart by name."""
    return {
        rule["alert"]: rule
        for path in ALERT_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    }


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard of the chart by its file's name."""
    files = sorted((CHART / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in files}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def dashboard_queries() -> list[str]:
    """Every query of every dashboard, as Grafana would send it."""
    made = dashboards().values()
    found = [t["expr"] for each in made for panel in panels(each) for t in panel["targets"]]
    found += [note["expr"] for each in made for note in each["annotations"]["list"]]
    for variable, value in OF_GRAFANA.items():
        found = [query.replace(variable, value) for query in found]
    return found


def metrics_of(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Each metric that an expression names, with its label matchers (label, operator, value)."""
    for name, matchers in _METRIC.findall(expression):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers)


def families() -> dict[str, Family]:
    """What a scrape has, by the name that a query uses."""
    found: dict[str, Family] = {}
    for family in Declared().families.all.values():
        suffixes = ("_bucket", "_count", "_sum") if isinstance(family, Histogram) else ("",)
        found.update({family.name + suffix: family for suffix in suffixes})
    return found


def strangers(expressions: Iterable[str]) -> list[str]:
    """Metrics and labels that are named and that no gateway has."""
    known, wrong = families(), []
    for expression in expressions:
        labels: set[str] = set(OF_PROMETHEUS)
        for name, matchers in metrics_of(expression):
            if name not in known:
                wrong.append(name)
                continue
            labels.update(known[name].labels)
            own = {*known[name].labels, *OF_PROMETHEUS}
            wrong += [f"{name}: {label}" for label, _, _ in matchers if label not in own]
        for group in _GROUPED.findall(expression):
            grouped = {word.strip() for word in group.split(",") if word.strip()}
            wrong += [f"by {word}: {expression}" for word in sorted(grouped - labels)]
    return wrong


def write_yaml(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=1000))
    return path
