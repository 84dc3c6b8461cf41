"""The dashboards are what their sources say, and their queries ask about what a gateway has."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.helm.chart import CHART, ROOT
from tests.helm.promql import (
    dashboard_queries,
    dashboards,
    families,
    needs_promtool,
    panels,
    promtool,
    strangers,
    write_yaml,
)

MADE = dashboards()


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", ROOT / "helm" / "dashboards.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_up_to_date() -> None:
    made = generator()
    sources = {path.stem: path.read_text() for path in made.SOURCES.glob("*.yaml")}
    assert sources.keys() == MADE.keys()
    for name, text in sources.items():
        path = CHART / "dashboards" / f"{name}.json"
        assert path.read_text() == made.dashboard(name, text), "run: python helm/dashboards.py"


def test_a_key_that_no_panel_has_is_an_error() -> None:
    panel = "{title: a, about: b, unit: s, queries: {}, colour: red}"
    source = f"title: t\nabout: x\nrows: [{{title: r, panels: [{panel}]}}]\n"
    with pytest.raises(ValueError, match="no panel has colour"):
        generator().dashboard("t", source)


def test_there_is_one_for_each_thing_that_an_operator_looks_at() -> None:
    assert set(MADE) == {"traffic", "verdicts", "spend", "runs", "upstreams", "gateway"}


@needs_promtool
def test_promtool_reads_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"tried:{n}", "expr": query} for n, query in enumerate(dashboard_queries())]
    assert len(rules) > 60
    path = write_yaml(tmp_path / "rules.yaml", {"groups": [{"name": "tried", "rules": rules}]})
    done = promtool("check", "rules", "--lint=none", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_queries_ask_about_metrics_and_labels_that_are_there() -> None:
    assert strangers(dashboard_queries()) == []


def test_legends_name_labels_that_the_query_keeps() -> None:
    for name in MADE:
        for panel in panels(MADE[name]):
            for target in panel["targets"]:
                kept = set(
                    re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))
                )
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert named <= kept, f"{name}: {panel['title']}"


@pytest.mark.parametrize("name", sorted(MADE))
def test_it_can_be_imported_anywhere(name: str) -> None:
    """No id of somebody's own Grafana, a data source to choose, and a word for every panel."""
    made = MADE[name]
    assert "id" not in made
    assert made["uid"] == f"portcullis-{name}"
    assert made["templating"]["list"][0]["type"] == "datasource"
    text = json.dumps(made)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {made["uid"], "${datasource}"}
    places = []
    for panel in made["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        places.append((place["x"], place["y"]))
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["targets"]
    assert len(set(places)) == len(places)
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_metric_stands_on_a_dashboard() -> None:
    shown = " ".join(dashboard_queries())
    missing = {family.name for family in families().values() if family.name not in shown}
    # Bytes of tunnels are part of all bytes; the rest is for alerts.
    assert missing <= {
        "portcullis_tunnel_bytes_total",
        "portcullis_config_last_reload_failure_timestamp_seconds",
    }
