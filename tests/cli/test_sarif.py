"""SARIF as the standard has it."""

from __future__ import annotations

from gateway.cli.sarif import sarif
from gateway.cli.scan import Hit


def test_every_result_points_at_its_rule() -> None:
    hits = [
        Hit("a.txt", 1, 2, 1, 5, "pii", "EMAIL_ADDRESS", 1.0),
        Hit("a.txt", 2, 1, 3, 4, "secrets", "PRIVATE_KEY", 1.0),
        Hit("b.txt", 9, 1, 9, 9, "pii", "EMAIL_ADDRESS", 1.0),
    ]
    (run,) = sarif(hits)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["pii/EMAIL_ADDRESS", "secrets/PRIVATE_KEY"]
    assert [result["ruleIndex"] for result in run["results"]] == [0, 1, 0]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a.txt"}
    assert place["region"] == {"startLine": 2, "startColumn": 1, "endLine": 3, "endColumn": 4}


def test_no_findings_are_a_run_without_results() -> None:
    document = sarif([])
    assert document["version"] == "2.1.0"
    assert document["runs"][0]["results"] == []
