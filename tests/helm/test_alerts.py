"""Every alert fires when it should and is silent when it should not, and has its place in the
runbook."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import COMMANDS
from tests.helm.alert_trials import TRIALS, Series
from tests.helm.chart import ROOT
from tests.helm.promql import (
    ALERT_FILES,
    alerts,
    needs_promtool,
    promtool,
    strangers,
    write_yaml,
)

ALERTS = alerts()
RUNBOOK = ROOT / "docs" / "runbook.md"
STAMP = re.compile(r"^### (Portcullis\w+)$", re.MULTILINE)


@needs_promtool
def test_promtool_takes_the_files() -> None:
    done = promtool("check", "rules", "--lint-fatal", *map(str, ALERT_FILES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_trial() -> None:
    assert set(TRIALS) == set(ALERTS)
    assert all(trial.fires and trial.silent for trial in TRIALS.values())


@needs_promtool
@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_fires_when_it_should_and_is_silent_when_it_should_not(
    alert: str, tmp_path: Path
) -> None:
    trial = TRIALS[alert]
    rules = {"groups": [{"name": "tried", "rules": [ALERTS[alert]]}]}
    write_yaml(tmp_path / "rules.yaml", rules)
    tests = [
        _test(alert, series, trial.step, trial.at, firing)
        for firing, cases in ((1, trial.fires), (0, trial.silent))
        for series in cases
    ]
    tried = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": trial.step,
        "tests": tests,
    }
    done = promtool("test", "rules", str(write_yaml(tmp_path / "test.yaml", tried)))
    assert done.returncode == 0, done.stdout + done.stderr


def _test(alert: str, series: Series, step: str, at: str, firing: int) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)'
    return {
        "interval": step,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": firing}],
            }
        ],
    }


def test_alerts_ask_about_metrics_and_labels_that_are_there() -> None:
    assert strangers(rule["expr"] for rule in ALERTS.values()) == []


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_says_what_is_the_matter_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    told = rule["annotations"]
    assert told.keys() == {"summary", "description", "runbook_url"}
    assert told["runbook_url"] == f"docs/runbook.md#{alert.lower()}"
    assert "{{" not in told["summary"]
    named = set(re.findall(r"\$labels\.(\w+)", told["description"]))
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
    if grouped:
        assert named <= grouped, "a label that the expression does not keep"


def test_the_runbook_has_an_entry_for_each_alert_and_no_other() -> None:
    assert sorted(STAMP.findall(RUNBOOK.read_text())) == sorted(ALERTS)


def test_each_entry_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    entries = STAMP.split(RUNBOOK.read_text())[1:]
    for alert, text in zip(entries[::2], entries[1::2], strict=True):
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert text.count(part) == 1, f"{alert}: {part}"


def commands() -> list[str]:
    """Every `portcullis ...` of the runbook, in a sentence or in a block."""
    text = RUNBOOK.read_text()
    found = re.findall(r"`(portcullis\s[^`]+)`", text)
    found += re.findall(r"^(portcullis [^#\n]+)", text, re.MULTILINE)
    return [" ".join(each.split()) for each in found]


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_of_the_runbook_are_such_as_the_program_takes(command: str) -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for name in COMMANDS:
        importlib.import_module(f"gateway.cli.{name}").add_parser(subparsers)
    parser.parse_args(command.split()[1:])
