"""`portcullis report`: a log that the gateway's own writer made, added up in three forms."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.audit.chain import Seal
from gateway.audit.heads import StoreHeads
from gateway.audit.record import make_digest
from gateway.audit.writer import AuditWriter
from gateway.cli.main import main
from gateway.dialects.base import Usage
from gateway.exchange import Exchange, Identity
from gateway.state.memory import MemoryStore
from gateway.testing import make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

KEY = bytes(32)


async def write(folder: Path, exchanges: Sequence[Exchange], unfinished: int) -> None:
    store = MemoryStore(time.time)
    heads = StoreHeads(store, Seal(KEY), str(folder))
    writer = AuditWriter(
        folder, KEY, heads, digest=make_digest(KEY), name="worker-0", state="memory://"
    )
    await writer.start({"policy": "sha256:0"})
    for number, exchange in enumerate(exchanges):
        exchange.id = f"ptx_{number}"
        writer.open(exchange)
        if number < len(exchanges) - unfinished:
            writer.close(exchange)
    await writer.stop()


def call(tenant: str, model: str, cost: int, usage: Usage, **more: object) -> Exchange:
    exchange = make_exchange()
    exchange.identity = Identity(tenant=tenant, agent="bot")
    exchange.model_served, exchange.cost, exchange.usage = model, cost, usage
    exchange.status, exchange.outcome = 200, "answered"
    for name, value in more.items():
        setattr(exchange, name, value)
    return exchange


def refused() -> Exchange:
    exchange = make_exchange()
    exchange.identity = Identity(tenant="acme")
    exchange.status, exchange.outcome, exchange.reason = 400, "refused", Reason.BUDGET_EXCEEDED
    rule = RuleRef("base", "day", "budget")
    exchange.verdicts = [Verdict(Action.BLOCK, Reason.BUDGET_EXCEEDED, rule, "is spent")]
    return exchange


def some() -> list[Exchange]:
    return [
        call("acme", "gpt-5", 1_500_000_001, Usage(100, cache_read=50, output=7, reasoning=3)),
        call("acme", "gpt-5", 500_000_000, Usage(10, output=1, estimated=True)),
        call("zeta", "claude-sonnet-4-5", 3, Usage(1, cache_write=2, cache_write_1h=3, output=4)),
        refused(),
    ]


Report = Callable[..., tuple[int, str, str]]


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    def run(*options: str, exchanges: Sequence[Exchange] = (), unfinished: int = 0):  # type: ignore[no-untyped-def]
        folder = tmp_path / "audit"
        folder.mkdir(exist_ok=True)
        if exchanges:
            asyncio.run(write(folder, exchanges, unfinished))
        code = main(["report", "--audit", str(folder), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_the_table_has_a_row_for_each_tenant_and_model_and_a_total(report: Report) -> None:
    code, out, _ = report(exchanges=some())
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[0][:2] == ["tenant", "model"]
    assert lines[1] == ["acme", "gpt-5", "2", "0", "0", "110", "50", "0", "8", "$2.000000001"]
    assert lines[2][:2] == ["zeta", "claude-sonnet-4-5"]
    assert lines[2][-1] == "$0.000000003"
    assert lines[3][0] == "acme"
    assert lines[3][2:4] == ["1", "1"]  # the refused call
    assert lines[4] == ["total", "4", "1", "0", "111", "50", "5", "12", "$2.000000004"]
    assert "1 calls: the provider did not tell their use" in out


def test_csv_has_every_sum_exactly(report: Report) -> None:
    _, out, _ = report("--by", "model", "--format", "csv", exchanges=some())
    rows = list(csv.DictReader(io.StringIO(out)))
    dear = rows[0]
    assert (dear["model"], dear["cost_dollars"]) == ("gpt-5", "2.000000001")
    assert (dear["reasoning"], dear["estimated"], dear["calls"]) == ("3", "1", "2")


def test_a_callers_word_is_no_formula_in_a_spreadsheet(report: Report) -> None:
    given = [call("acme", '=HYPERLINK("http://evil")', 1, Usage(1))]
    _, out, _ = report("--by", "model", "--format", "csv", exchanges=given)
    assert next(iter(csv.DictReader(io.StringIO(out))))["model"].startswith("'=")


def test_a_models_name_gives_no_order_to_the_terminal(report: Report) -> None:
    _, out, _ = report("--by", "model", exchanges=[call("acme", "gpt\x1b[2J\n5", 1, Usage(1))])
    assert "gpt?[2J?5" in out
    assert "\x1b" not in out


def test_json_is_for_machines(report: Report) -> None:
    _, out, _ = report("--by", "tenant", "--format", "json", exchanges=some(), unfinished=1)
    told = json.loads(out)
    assert [row["tenant"] for row in told["rows"]] == ["acme", "zeta"]
    assert told["total"]["cost_nanodollars"] == 2_000_000_004
    assert told["unfinished"] == 1


def test_one_tenant_alone(report: Report) -> None:
    _, out, _ = report("--tenant", "zeta", "--format", "json", exchanges=some())
    assert json.loads(out)["total"]["calls"] == 1


def test_by_rule_a_refusal_stands_with_the_rule_that_refused(report: Report) -> None:
    _, out, _ = report("--by", "rule", exchanges=some())
    assert any(line.split()[:3] == ["base/day", "1", "1"] for line in out.splitlines())
    assert "in the total once" in out


def test_calls_that_were_never_closed_are_named(report: Report) -> None:
    _, out, _ = report(exchanges=some(), unfinished=2)
    assert "2 calls were begun and never closed" in out


def test_a_time_without_calls_is_exit_1(report: Report) -> None:
    code, _, err = report("--until", "2020-01-01", "--since", "2019-01-01", exchanges=some())
    assert code == 1
    assert "no calls in that time" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--by", "planet"], "not one of tenant"),
        (["--since", "yesterday"], "a date (2026-11-01) or a time ago (7d)"),
        (["--timezone", "Mars/Olympus"], "Europe/Berlin"),
        (["--timezone", "../../etc/passwd"], "Europe/Berlin"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(report: Report, options: list[str], words: str) -> None:
    code, _, err = report(*options, exchanges=some())
    assert code == 2
    assert words in err


def test_a_folder_that_is_not_there_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--audit", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
