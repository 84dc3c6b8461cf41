"""Makes the Grafana dashboards: `python helm/dashboards.py` turns each helm/dashboards/*.yaml into
a file of helm/portcullis/dashboards, and a test compares.

A dashboard is rows of panels. A panel has `title`, `about`, `unit` (Grafana's: `reqps`, `s`,
`percentunit`, `currencyUSD`, `bytes`, `short`) and `queries`: what a line is called -> PromQL, in
which `$where` stands for the matchers of the variables. It may have `kind` (`timeseries`, else
`stat`, `bargauge`, `table`), `columns` of 24, `stacked`, and `most`, the end of its scale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SOURCES = HERE / "dashboards"
FOLDER = HERE / "portcullis" / "dashboards"
SCHEMA = 41
"""Version of the dashboards' JSON, as Grafana 12 writes it."""

WHERE = 'job=~"$job", namespace=~"$namespace"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
KEYS = {"title", "about", "unit", "queries", "kind", "columns", "stacked", "most"}

_CALCS = {"reduceOptions": {"calcs": ["lastNotNull"]}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {**_CALCS, "colorMode": "none"},
    "bargauge": {**_CALCS, "orientation": "horizontal"},
    "table": {"showHeader": True},
}


def dashboard(name: str, text: str) -> str:
    """The JSON for one file of `SOURCES`. Raises ValueError for a key that no panel has."""
    source = yaml.safe_load(text)
    made = {
        "uid": f"portcullis-{name}",
        "title": source["title"],
        "description": source["about"],
        "tags": ["portcullis"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_data_source(), _variable("namespace"), _variable("job")]},
        "annotations": {"list": [_reloads()]},
        "links": [_others()],
        "panels": _panels(source["rows"]),
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _data_source() -> dict[str, Any]:
    kind = {"type": "datasource", "query": "prometheus"}
    return {"name": "datasource", "label": "Data source", **kind}


def _variable(label: str) -> dict[str, Any]:
    query = f"label_values(portcullis_build_info, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _reloads() -> dict[str, Any]:
    """A line where another policy came into force: what changed then is often why."""
    loaded = "portcullis_config_last_reload_success_timestamp_seconds"
    return {
        "name": "Policy loaded",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": f"changes({loaded}{{{WHERE}}}[1m]) > 0",
        "titleFormat": "Policy loaded",
        "textFormat": "{{instance}}",
    }


def _others() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "Portcullis",
        "tags": ["portcullis"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }


def _panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows and their panels, each in its place: from left to right as long as they fit."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        heading = {"type": "row", "title": row["title"], "gridPos": place, "panels": []}
        panels.append({"id": len(panels) + 1, **heading})
        top, left, tall = top + 1, 0, 0
        for source in row["panels"]:
            panel = _panel(source)
            wide = source.get("columns", 6 if panel["type"] == "stat" else 12)
            if left + wide > COLUMNS:
                top, left, tall = top + tall, 0, 0
            high = 4 if panel["type"] == "stat" else 8
            place = {"h": high, "w": wide, "x": left, "y": top}
            panels.append({"id": len(panels) + 1, **panel, "gridPos": place})
            left, tall = left + wide, max(tall, high)
        top += tall
    return panels


def _panel(source: dict[str, Any]) -> dict[str, Any]:
    if unknown := source.keys() - KEYS:
        raise ValueError(f"{source['title']}: no panel has {', '.join(sorted(unknown))}")
    kind = source.get("kind", "timeseries")
    custom: dict[str, Any] = {}
    if kind == "timeseries":
        custom = {"fillOpacity": 10, "showPoints": "never"}
        if source.get("stacked"):
            custom |= {"fillOpacity": 40, "stacking": {"mode": "normal"}}
    defaults = {"unit": source["unit"], "min": 0, "custom": custom}
    if "most" in source:
        defaults["max"] = source["most"]
    panel = {
        "type": kind,
        "title": source["title"],
        "description": source["about"],
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[kind],
        "targets": [
            _target(kind, chr(ord("A") + number), *query)
            for number, query in enumerate(source["queries"].items())
        ],
    }
    if kind == "table":
        hidden = {"excludeByName": {"Time": True}}
        panel["transformations"] = [{"id": "organize", "options": hidden}]
    return panel


def _target(kind: str, name: str, legend: str, query: str) -> dict[str, Any]:
    over_time = kind == "timeseries"
    return {
        "refId": name,
        "datasource": SOURCE,
        "expr": query.replace("$where", WHERE),
        "legendFormat": legend,
        "instant": not over_time,
        "range": over_time,
        **({"format": "table"} if kind == "table" else {}),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in sorted(SOURCES.glob("*.yaml")):
        (FOLDER / f"{path.stem}.json").write_text(dashboard(path.stem, path.read_text()))
