"""The line that an exchange leaves in the log."""

import logging

import pytest

from gateway.dialects.base import Usage
from gateway.telemetry.exchange_log import about, fields, log_exchange
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

SECRET = "content-that-nobody-may-read"


def ended(outcome="refused"):
    exchange = make_exchange(make_call([("user", SECRET)]), body=SECRET.encode())
    exchange.request.target = f"/v1/chat/completions?key={SECRET}"
    exchange.attempt = 3
    exchange.trace_id = "0af7651916cd43dd8448eb211c80319c"
    exchange.outcome, exchange.status = outcome, 400
    exchange.verdicts = [
        Verdict(Action.BLOCK, Reason.SECRET_FOUND, RuleRef("starter", "secrets", "secrets"))
    ]
    exchange.usage = Usage(10, cache_read=5, output=3)
    exchange.spent, exchange.left = {"rules": 1_500_000}, 1_500_000
    return exchange


def test_line_carries_the_trace_and_the_rule_and_no_content():
    said = fields(ended())
    assert said["attempt"] == 3
    assert said["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (said["exchange"], said["rule"]) == ("x1", "starter/secrets")
    assert said["error.type"] == "secret_found"
    assert said["http.response.status_code"] == 400
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (15, 3)
    assert said["milliseconds"] == 1.5
    assert SECRET not in str(said)


def test_exchange_that_never_came_far_has_a_line_too():
    exchange = make_exchange()
    exchange.call = exchange.target = None
    assert fields(exchange)["exchange"] == "x1"
    assert about(exchange) == {"exchange": "x1"}


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        ("answered", logging.DEBUG),
        ("refused", logging.INFO),
        ("upstream_failed", logging.WARNING),
        ("failed", logging.ERROR),
        ("", logging.ERROR),
    ],
)
def test_level_says_whose_business_it_is(caplog, outcome, level):
    with caplog.at_level(logging.DEBUG, "portcullis.exchange"):
        log_exchange(ended(outcome))
    assert [line.levelno for line in caplog.records] == [level]


def test_nothing_is_built_for_a_line_that_nobody_wants(caplog):
    with caplog.at_level(logging.INFO, "portcullis.exchange"):
        log_exchange(ended("answered"))
    assert not caplog.records
