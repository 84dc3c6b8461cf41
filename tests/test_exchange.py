"""What an exchange knows of itself: where its time went, and what was finally done."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.message import Headers, Request
from gateway.testing import make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

RULE = RuleRef("baseline", "pii", "pii")


def exchange_at(times):
    """An exchange whose clock shows these nanoseconds, one after the other."""
    clock = iter(times)
    return Exchange("x1", Request("POST", "/", Headers()), 0.0, lambda: next(clock))


def test_station_lasts_from_the_one_before_it():
    exchange = exchange_at([130, 200])
    exchange.begun = exchange.left = 100
    exchange.mark("identify")
    exchange.mark("rules")
    assert exchange.spent == {"identify": 30, "rules": 70}


def test_first_byte_is_a_moment_inside_a_station():
    exchange = exchange_at([40, 60])
    exchange.begun = exchange.left = 10
    exchange.mark_first_byte()
    exchange.mark("answer")
    assert exchange.first_byte == 40
    assert exchange.spent == {"answer": 50}


STEPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 10**6)), unique_by=lambda step: step[0]
)


@given(steps=STEPS)
def test_stations_add_up_to_the_whole(steps):
    at, times = 7, []
    for _, spent in steps:
        at += spent
        times.append(at)
    exchange = exchange_at(times)
    exchange.begun = exchange.left = 7
    for station, _ in steps:
        exchange.mark(station)
    assert sum(exchange.spent.values()) == exchange.left - exchange.begun


def test_action_is_the_strictest_that_was_enforced():
    exchange = make_exchange()
    assert exchange.action is Action.ALLOW
    exchange.decide(Verdict(Action.FLAG, Reason.PII_FOUND, RULE))
    exchange.decide(Verdict(Action.BLOCK, Reason.PII_FOUND, RULE, shadow=True))
    assert exchange.action is Action.FLAG
    assert exchange.stopped is None
    exchange.decide(Verdict(Action.BLOCK, Reason.PII_FOUND, RULE))
    exchange.decide(Verdict(Action.REWRITE, Reason.PII_FOUND, RULE))
    assert exchange.action is Action.BLOCK
    assert exchange.stopped is exchange.verdicts[2]
