"""Sums over the audit log: every call once, whatever the rows are made by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.spending import DIMENSIONS, Spending, calls


def ended(**more: Any) -> Mapping[str, Any]:
    return {"type": "closed", "time": "2026-11-20T23:30:00.000000Z", "outcome": "answered", **more}


def rows(by: str, *records: Mapping[str, Any], zone: str = "UTC") -> dict[tuple[str, ...], int]:
    spending = Spending(by.split(","), UTC if zone == "UTC" else ZoneInfo(zone))
    for record in records:
        spending.add(record)
    return {row: sums.cost for row, sums in spending.rows.items()}


def test_days_are_those_of_the_zone() -> None:
    record = ended(cost_nanodollars=5)
    assert rows("day", record) == {("2026-11-20",): 5}
    assert rows("day,month", record, zone="Europe/Berlin") == {("2026-11-21", "2026-11"): 5}


def test_what_a_record_does_not_name_has_a_row_too() -> None:
    assert rows("tenant,user,model,rule", ended(cost_nanodollars=2)) == {("-", "-", "-", "-"): 2}


def test_the_model_is_the_one_that_served() -> None:
    asked = ended(model="gpt-5", model_served="gpt-5-mini", cost_nanodollars=1)
    assert rows("model", asked, ended(model="gpt-5", cost_nanodollars=2)) == {
        ("gpt-5-mini",): 1,
        ("gpt-5",): 2,
    }


def test_a_rule_has_the_calls_that_it_counted_or_spoke_of_once_each() -> None:
    record = ended(
        cost_nanodollars=9,
        verdicts=[{"rule": "base/day"}, {"rule": "base/pii"}, {"rule": "base/pii"}],
        limits={"claims": [{"key": "base:day:abc:day-1"}, {"key": "base:rate:abc:requests"}]},
    )
    assert rows("rule", record) == {("base/day",): 9, ("base/pii",): 9, ("base/rate",): 9}


def test_a_tool_call_taken_out_of_an_answer_stopped_no_call() -> None:
    spending = Spending(["tenant"], UTC)
    spending.add(ended(action="block"))
    spending.add(ended(action="block", outcome="blocked"))
    spending.add(ended(action="throttle", outcome="refused"))
    spending.add(ended(outcome="upstream_failed"))
    assert (spending.total.stopped, spending.total.failed, spending.total.calls) == (2, 1, 4)


costs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 10**12), st.booleans()),
    max_size=20,
)


@given(costs, st.sets(st.sampled_from([*DIMENSIONS]), min_size=1, max_size=4))
def test_rows_add_up_to_the_total_but_for_rules(
    given_costs: list[tuple[str, str, int, bool]], by: set[str]
) -> None:
    spending = Spending(sorted(by - {"rule"}) or ["tenant"], UTC)
    for tenant, model, cost, estimated in given_costs:
        usage = {"input": cost % 97, "estimated": estimated}
        spending.add(ended(who={"tenant": tenant}, model=model, cost_nanodollars=cost, usage=usage))
    for name in ("calls", "cost", "input", "estimated"):
        added = sum(getattr(sums, name) for sums in spending.rows.values())
        assert added == getattr(spending.total, name)


def test_lines_that_are_no_records_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "worker-0-a.000001.jsonl").write_bytes(b'{"type":"closed"\nnothing\n')
    (tmp_path / "worker-0.lock").write_bytes(b"")
    assert list(calls(tmp_path, "", "9")) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        list(calls(tmp_path / "nowhere", "", "9"))
