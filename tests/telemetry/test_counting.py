"""Which series an exchange counts in, and that no label holds what a caller wrote."""

import itertools
import time
from types import SimpleNamespace

import pytest

from gateway.dialects.base import Surface, Unscannable, Usage
from gateway.policy.pseudonyms import Pseudonyms
from gateway.state.store import Admission, Level
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.peaks import Peaks
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

PII = RuleRef("baseline", "pii", "pii")
BUDGET = RuleRef("baseline", "day", "budget")


class Prices:
    """Knows one model, by its dated name too."""

    def find(self, model):
        return SimpleNamespace(name="gpt-4o-mini") if model.startswith("gpt-4o-mini") else None


def ended(call=None, *, outcome="answered", verdicts=()):
    exchange = make_exchange(call)
    exchange.snapshot = SimpleNamespace(prices=Prices())
    exchange.outcome = outcome
    exchange.status = 200
    exchange.verdicts = list(verdicts)
    return exchange


def counted(*exchanges):
    metrics = Metrics()
    for exchange in exchanges:
        metrics.record(exchange)
    return metrics


def test_requests_by_how_they_ended_and_why():
    blocked = ended(outcome="refused", verdicts=[Verdict(Action.BLOCK, Reason.PII_FOUND, PII)])
    gone = ended(outcome="cancelled")
    gone.reason = Reason.CLIENT_GONE
    metrics = counted(ended(), blocked, gone)
    assert metrics.requests.series == {
        ("openai_chat", "answered", "none"): 1,
        ("openai_chat", "refused", "pii_found"): 1,
        ("openai_chat", "cancelled", "client_gone"): 1,
    }
    assert metrics.disconnects.series == {(): 1}


def test_caller_without_a_key_counts_without_a_dialect():
    exchange = ended(outcome="refused")
    exchange.target = exchange.call = None
    exchange.reason = Reason.KEY_MISSING
    assert counted(exchange).requests.series == {("none", "refused", "key_missing"): 1}


def test_times_of_an_exchange():
    exchange = ended()
    second = 1_000_000_000
    exchange.spent = {
        "rules": second,
        "upstream": 2 * second,
        "answer": 2 * second,
    }
    exchange.begun, exchange.left, exchange.first_byte = second, 6 * second, 5 * second
    metrics = counted(exchange)
    assert metrics.duration.series["openai_chat", "answered"][-1] == pytest.approx(5)
    assert metrics.upstream_duration.series["openai",][-1] == pytest.approx(2)
    assert metrics.first_byte.series["openai_chat",][-1] == pytest.approx(4)
    metrics.snapshot()
    spent = {station: seconds for (station,), seconds in metrics.stations.series.items()}
    assert spent == pytest.approx({"rules": 1, "upstream": 2, "answer": 2})


def test_decisions_of_rules_say_what_was_only_recorded():
    found = Verdict(Action.REWRITE, Reason.PII_FOUND, PII, entities={"CREDIT_CARD": 2})
    shadow = Verdict(Action.BLOCK, Reason.PII_FOUND, PII, entities={"US_SSN": 1}, shadow=True)
    metrics = counted(ended(verdicts=[found, shadow]))
    assert metrics.decisions.series == {
        ("baseline", "pii", "pii", "rewrite", "pii_found", "enforce"): 1,
        ("baseline", "pii", "pii", "block", "pii_found", "shadow"): 1,
    }
    assert metrics.findings.series == {("pii", "CREDIT_CARD"): 2, ("pii", "US_SSN"): 1}


def test_operators_phrase_is_no_label():
    phrase = Verdict(Action.BLOCK, Reason.PATTERN_FOUND, PII, entities={"drop table users": 1})
    assert counted(ended(verdicts=[phrase])).findings.series == {("pii", "other"): 1}


def test_budget_warnings_and_store_errors():
    verdicts = [
        Verdict(Action.FLAG, Reason.BUDGET_WARNING, BUDGET),
        Verdict(Action.BLOCK, Reason.STORE_UNAVAILABLE, BUDGET),
        Verdict(Action.BLOCK, Reason.STORE_UNAVAILABLE, PII),
    ]
    metrics = counted(ended(verdicts=verdicts))
    metrics.store_failed("renew")
    assert metrics.warnings.series == {("baseline", "day"): 1}
    assert metrics.store_errors.series == {("admit",): 1, ("renew",): 1}


IMAGE = Unscannable("image", Surface.USER, "messages[0].content[1]")


@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        (None, "allow"),
        (Verdict(Action.FLAG, Reason.UNSCANNABLE_CONTENT, PII), "flag"),
        (Verdict(Action.BLOCK, Reason.UNSCANNABLE_CONTENT, PII, shadow=True), "allow"),
        (Verdict(Action.BLOCK, Reason.UNSCANNABLE_CONTENT, PII), "block"),
    ],
)
def test_unreadable_content_is_counted_whatever_was_done(verdict, action):
    call = make_call([("user", "look")], unscannable=[IMAGE])
    metrics = counted(ended(call, verdicts=[verdict] if verdict else []))
    assert metrics.unscannable.series == {("image", "user", action): 1}


def test_unreadable_content_of_an_answer_is_counted_by_its_verdict():
    verdict = Verdict(
        Action.FLAG,
        Reason.UNSCANNABLE_CONTENT,
        PII,
        entities={"encrypted": 2},
        surface="reasoning",
    )
    metrics = counted(ended(verdicts=[verdict]))
    assert metrics.unscannable.series == {("encrypted", "reasoning", "flag"): 2}
    assert not metrics.findings.series


def test_every_token_counts_in_one_direction():
    exchange = ended()
    exchange.model_served = "gpt-4o-mini-2024-07-18"
    exchange.usage = Usage(10, 20, 30, 40, output=50, reasoning=15, estimated=True)
    exchange.cost = 2_500_000_000
    metrics = counted(exchange)
    model = "gpt-4o-mini"
    assert metrics.tokens.series == {
        ("input", model): 10,
        ("cache_read", model): 20,
        ("cache_write", model): 70,
        ("output", model): 35,
        ("reasoning", model): 15,
    }
    assert sum(metrics.tokens.series.values()) == exchange.usage.total
    assert metrics.cost.series == {("openai", model): 2.5}
    assert metrics.estimated.series == {("openai",): 1}


def test_models_that_nobody_knows_are_other():
    metrics = Metrics()
    for number in range(50):
        exchange = ended(make_call([("user", "x")], model=f"free-text-{number}"))
        exchange.usage = Usage(1, output=1)
        metrics.record(exchange)
    assert set(metrics.tokens.series) == {("input", "other"), ("output", "other")}


@pytest.mark.parametrize(
    ("status", "reason", "outcome", "kind"),
    [
        (429, None, "answered", "rate_limited"),
        (500, None, "answered", "server_error"),
        (404, None, "answered", "client_error"),
        (0, Reason.UPSTREAM_TIMEOUT, "upstream_failed", "timeout"),
        (0, Reason.UPSTREAM_UNREACHABLE, "upstream_failed", "unreachable"),
        (200, Reason.ANSWER_MALFORMED, "upstream_failed", "malformed"),
        (200, Reason.INTERNAL_ERROR, "upstream_failed", "other"),
    ],
)
def test_faults_of_upstream_by_kind(status, reason, outcome, kind):
    exchange = ended(outcome=outcome)
    exchange.upstream_status, exchange.reason = status, reason
    assert counted(exchange).upstream_errors.series == {("openai", kind): 1}


def test_good_answer_is_no_fault():
    exchange = ended()
    exchange.upstream_status = 200
    assert not counted(exchange).upstream_errors.series


def test_held_characters_are_those_of_streams():
    whole, stream = ended(), ended()
    stream.streamed, stream.held_peak = True, 40
    assert counted(whole, stream).held.series[()][-1] == 40


def test_what_a_caller_writes_reaches_no_label():
    marker = "caller-wrote-this"
    exchange = ended(make_call([("user", marker)], model=marker, tools=[marker]))
    exchange.identity.user = exchange.identity.session = exchange.identity.task = marker
    exchange.request.target = f"/{marker}"
    exchange.usage = Usage(1, output=1)
    exchange.verdicts = [
        Verdict(Action.BLOCK, Reason.TOOL_DENIED, PII, marker, place=marker, entities={marker: 1})
    ]
    series = counted(exchange).families.snapshot().values()
    labels = itertools.chain.from_iterable(names for rows in series for names, _ in rows)
    assert marker not in set(labels)


def test_what_a_tool_costs_counts_without_a_model():
    exchange = ended()
    exchange.cost = 2_000_000
    assert counted(exchange).cost.series == {("openai", "none"): pytest.approx(0.002)}


def test_stand_ins_there_and_back():
    exchange = ended()
    exchange.pseudonyms = Pseudonyms()
    for value in ("jane", "joe", "jane"):
        exchange.pseudonyms.stand_in("PERSON", value, b"k" * 32, plausible=False)
    exchange.pseudonyms.restored = 5
    assert counted(exchange).stand_ins.series == {("put_away",): 2, ("put_back",): 5}


def test_age_of_a_session_is_seen_at_its_calls_to_a_model():
    exchange, other = ended(), ended()
    exchange.visit = SimpleNamespace(entry=SimpleNamespace(start=exchange.started - 40))
    other.call.operation, other.visit = "embeddings", exchange.visit
    row = counted(exchange, other).session_age.series[()]
    assert (sum(row[:-1]), row[-1]) == (1, pytest.approx(40))


def test_share_of_a_budget_is_that_of_the_fullest_scope_and_no_rate_limit_has_one():
    budget = SimpleNamespace(kind="budget", ref=BUDGET, unit=lambda claim: claim.unit)
    rate = SimpleNamespace(kind="rate_limit", ref=PII, unit=lambda claim: claim.unit)
    exchange = ended()
    exchange.started = time.time()
    exchange.claim_rules = [budget, budget, budget, rate]
    exchange.claims = [SimpleNamespace(unit=u) for u in ("tokens", "tokens", "requests", "tokens")]
    levels = (Level(20, 50, 100), Level(60, 0, 100), Level(1, 0, 1), Level(9, 0, 10))
    exchange.admission = Admission("lease", levels, 1)
    metrics = counted(exchange)
    metrics.snapshot()
    assert metrics.budget_used.series == {("baseline", "day"): pytest.approx(0.6)}
    metrics.budget_peaks = Peaks()
    exchange.admission = Admission("lease", levels, 0, local=True)  # a share is not the budget
    metrics.record(exchange)
    metrics.snapshot()
    assert metrics.budget_used.series == {}


def test_model_that_answers_under_a_name_for_the_first_time_shows_as_no_change():
    metrics = Metrics()
    for served in ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-next"):
        exchange = ended()
        exchange.model_served = served
        metrics.record(exchange)
        seen = dict(metrics.model_changes.series)
        assert seen == {("openai", "gpt-4o-mini"): int(served.endswith("next"))}
