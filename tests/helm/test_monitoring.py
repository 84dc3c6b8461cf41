"""Alerts and dashboards come from files, word for word: the braces in them are not the chart's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import CHART, NEWEST, needs_helm, objects, one, refusal, render
from tests.helm.test_manifests import api_server, kubeconform

pytestmark = needs_helm

ON = {
    "monitoring": {
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Portcullis"}},
    }
}
ALERTS = """\
groups:
  - name: portcullis
    rules:
      - alert: AuditFails
        expr: portcullis_audit_healthy == 0
        annotations:
          summary: "{{ $labels.pod }} has {{ $value | humanize }}"
"""
DASHBOARD = {"title": "Traffic", "panels": [{"legendFormat": "{{dialect}} {{ outcome }}"}]}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with one file of each sort and no other."""
    copy = tmp_path_factory.mktemp("chart") / "portcullis"
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("alerts", "dashboards"))
    for folder in ("alerts", "dashboards"):
        (copy / folder).mkdir()
    (copy / "alerts" / "Call_errors.yaml").write_text(ALERTS)
    (copy / "dashboards" / "traffic.json").write_text(json.dumps(DASHBOARD, indent=2))
    return copy


def test_rules_and_dashboards_are_what_their_files_say(chart: Path) -> None:
    manifests = render(ON, chart=chart)
    assert kubeconform(manifests, NEWEST) == api_server(manifests) == ""
    rules = one(manifests, "PrometheusRule")
    assert rules["metadata"]["name"] == "gate-portcullis-call-errors"
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert rules["spec"] == yaml.safe_load(ALERTS)
    dashboard = one(manifests, "ConfigMap")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Portcullis"}
    assert json.loads(dashboard["data"]["traffic.json"]) == DASHBOARD


def test_they_come_only_when_they_are_asked_for(chart: Path) -> None:
    kinds = {each["kind"] for each in objects(render(chart=chart))}
    assert not kinds & {"PrometheusRule", "ServiceMonitor", "ConfigMap"}


def test_both_modes_take_every_file_of_the_chart() -> None:
    alerts = list((CHART / "alerts").glob("*.yaml"))
    dashboards = list((CHART / "dashboards").glob("*.json"))
    for mode in ("gateway", "sidecar"):
        found = objects(render({"mode": mode, **ON}))
        made = [each["kind"] for each in found]
        assert made.count("PrometheusRule") == len(alerts)
        assert made.count("ConfigMap") == len(dashboards)
        # What a cluster keeps of one object (etcd's limit, less what else is in it).
        for each in found:
            assert len(json.dumps(each)) < 900_000, each["metadata"]["name"]


def test_alerts_link_to_where_the_runbook_is_read() -> None:
    def links(**rules: str) -> set[str]:
        made = objects(render({"monitoring": {"rules": {"enabled": True, **rules}}}))
        return {
            rule["annotations"]["runbook_url"]
            for each in made
            if each["kind"] == "PrometheusRule"
            for group in each["spec"]["groups"]
            for rule in group["rules"]
        }

    wiki = "https://wiki.example.com/portcullis"
    published = {link.replace("docs/runbook.md", wiki) for link in links()}
    assert f"{wiki}#portcullisstoreaway" in published
    assert links(runbookUrl=wiki) == published
    assert "runbookUrl" in refusal({"monitoring": {"rules": {"runbookUrl": "a#b"}}})
