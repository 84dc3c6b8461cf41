"""What a record says of an exchange, and that it never says content."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.record import LONGEST_NAME, MOST_ITEMS, closed, make_digest, opened, safe_place
from gateway.dialects.base import Step, StepKind, Surface, ToolCall, Unscannable, Usage
from gateway.exchange import Identity, ToolTrace
from gateway.policy.pseudonyms import Pseudonyms
from gateway.state.store import Admission, Cause, Claim, Level, Refusal
from gateway.testing import make_call, make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict
from tests.audit.logbook import DIGEST
from tests.structure.house import DOCS, code_of, mentions

SECRET = "content-that-nobody-may-read"


class Counts:
    """As much of a limiting rule as the record asks for."""

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def unit(self, claim: Claim) -> str:
        return self._unit


def verdict(**more):
    given = {
        "action": Action.BLOCK,
        "reason": Reason.SECRET_FOUND,
        "rule": RuleRef("starter", "secrets", "secrets"),
        "what": "found an AWS access key in the user message",
        "surface": "user",
        "place": "messages[0].content",
        "entities": {"AWS_ACCESS_KEY": 1},
    }
    return Verdict(**{**given, **more})


def full_exchange():
    """An exchange in which every place that can hold content does."""
    call = make_call(
        [(surface, f"{SECRET} {surface}") for surface in ("system", "user", "tool_definition")],
        tools=["search", "mail"],
        steps=[
            Step(StepKind.HUMAN, text=SECRET),
            Step(StepKind.MODEL, [ToolCall("call_1", "search", f'{{"q": "{SECRET}"}}')]),
            Step(StepKind.RESULT, call_id="call_1", text=SECRET),
            Step(StepKind.RESULT, call_id="call_x", text=SECRET, is_error=True),
        ],
        unscannable=[Unscannable("image", Surface.USER, "messages[0].content[1]")],
    )
    exchange = make_exchange(call, body=SECRET.encode())
    exchange.request.target = f"/v1/chat/completions?key={SECRET}"
    exchange.request.headers.add("authorization", SECRET)
    exchange.attempt = 2
    exchange.trace_id = "0af7651916cd43dd8448eb211c80319c"
    exchange.identity = Identity(
        tenant="acme",
        agent="bot",
        user="ann",
        session="s" * 26,
        session_source="x-session-id",
        task="t1",
        key_name="support-bot",
        key_id="abcd1234",
        credential="digest",
        verified=frozenset({"tenant", "agent"}),
    )
    exchange.tool_calls = [ToolCall("call_2", "mail", f'{{"to": "{SECRET}"}}')]
    exchange.tools = [ToolTrace("mail", DIGEST(SECRET), None)]
    exchange.reasoning_digest = DIGEST(SECRET)
    exchange.verdicts = [verdict(), verdict(shadow=True, place=f"tools[0].arguments.{SECRET}")]
    exchange.usage = Usage(10, cache_read=5, output=7, reasoning=3, estimated=True)
    exchange.cost = 1234
    exchange.model_served = "gpt-4o-mini-2024-07-18"
    exchange.answer_id = "chatcmpl-1"
    exchange.claims = [Claim("p/budget/day", 100, 1000), Claim("p/rate", 1, 60, refill=(60, 60))]
    exchange.claim_rules = [Counts("nanodollars"), Counts("requests")]
    levels = (Level(900, 50, 1000), Level(3, 0, 60))
    exchange.admission = Admission("", levels, 42, Refusal(0, Cause.RESERVED, 1.0))
    exchange.settled_amounts = (80, 1)
    exchange.spent, exchange.left = {"rules": 2_500_000, "record": 1_500_000}, 4_000_000
    exchange.status = 400
    exchange.outcome = "refused"
    exchange.reason = Reason.SECRET_FOUND
    exchange.bytes_in, exchange.bytes_out = 100, 200
    return exchange


def test_record_never_holds_content():
    exchange = full_exchange()
    lines = orjson.dumps([opened(exchange), closed(exchange, DIGEST)]).decode()
    assert SECRET not in lines


def test_closed_repeats_what_opened_said():
    exchange = full_exchange()
    before, after = opened(exchange), closed(exchange, DIGEST)
    assert {name: after[name] for name in before} == before


def test_closed_goes_on_from_the_line_that_was_opened():
    exchange = full_exchange()
    line = opened(exchange)
    record = closed(exchange, DIGEST)
    assert "status" in record
    assert "status" not in line
    assert record == closed(full_exchange(), DIGEST)


def test_who_says_what_is_proven():
    who = opened(full_exchange())["who"]
    assert (who["tenant"], who["user"], who["key"]) == ("acme", "ann", "abcd1234")
    assert who["verified"] == ["agent", "tenant"]
    assert who["session_source"] == "x-session-id"


def test_query_is_left_out():
    assert opened(full_exchange())["path"] == "/v1/chat/completions"


def test_every_verdict_tells_what_it_said_and_what_was_done():
    enforced, shadow = closed(full_exchange(), DIGEST)["verdicts"]
    assert enforced == {
        "rule": "starter/secrets",
        "kind": "secrets",
        "verdict": "block",
        "action": "block",
        "reason": "secret_found",
        "what": "found an AWS access key in the user message",
        "surface": "user",
        "place": "messages[0].content",
        "entities": {"AWS_ACCESS_KEY": 1},
    }
    assert (shadow["verdict"], shadow["action"], shadow["shadow"]) == ("block", "allow", True)


def test_tool_calls_and_fresh_results_are_digests_by_name():
    record = closed(full_exchange(), DIGEST)
    assert record["tool_calls"] == [{"name": "mail", "asked": DIGEST(SECRET), "passed": None}]
    assert record["tool_results"] == [
        {"digest": DIGEST(SECRET), "name": "search"},
        {"digest": DIGEST(SECRET), "error": True},
    ]


def test_results_of_earlier_turns_are_not_told_again():
    exchange = full_exchange()
    assert exchange.call is not None
    exchange.call.steps += [Step(StepKind.MODEL), Step(StepKind.HUMAN, text="thanks")]
    assert "tool_results" not in closed(exchange, DIGEST)


def test_system_prompt_and_tools_are_digests_that_change_with_them():
    first = closed(full_exchange(), DIGEST)
    other = full_exchange()
    assert other.call is not None
    other.call.segments[0].replace("another prompt")
    other.call.tools.pop()
    second = closed(other, DIGEST)
    assert first["tools"]["count"] == 2
    assert first["system_digest"] != second["system_digest"]
    assert first["tools"]["digest"] != second["tools"]["digest"]


def test_limits_hold_what_a_replay_of_the_refusal_needs():
    assert closed(full_exchange(), DIGEST)["limits"] == {
        "serial": 42,
        "claims": [
            {
                "key": "p/budget/day",
                "unit": "nanodollars",
                "amount": 100,
                "limit": 1000,
                "used": 900,
                "reserved": 50,
                "settled": 80,
            },
            {
                "key": "p/rate",
                "unit": "requests",
                "amount": 1,
                "limit": 60,
                "refill": (60, 60),
                "used": 3,
                "reserved": 0,
                "settled": 1,
            },
        ],
        "refused": {"index": 0, "cause": "reserved", "retry_after": 1.0},
    }


def test_usage_cost_and_times():
    record = closed(full_exchange(), DIGEST)
    assert record["usage"] == {
        "input": 10,
        "output": 7,
        "cache_read": 5,
        "reasoning": 3,
        "estimated": True,
    }
    assert record["cost_nanodollars"] == 1234
    assert record["micros"] == {"rules": 2500, "record": 1500, "total": 4000}
    assert record["unscannable"] == {"image": 1}


def names_in(value):
    """Every key of a record, but for those of maps whose keys are data."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in ("entities", "unscannable", "micros"):
                yield from names_in(inner)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


def test_every_field_is_documented():
    exchange = full_exchange()
    exchange.upstream_status, exchange.held_peak = 200, 5
    exchange.tools *= MOST_ITEMS + 1
    page = code_of(DOCS / "audit.md")
    missing = [name for name in names_in(closed(exchange, DIGEST)) if not mentions(page, name)]
    assert not missing


def test_exchange_that_was_refused_at_the_door_has_a_record_too():
    exchange = make_exchange()
    exchange.call = exchange.target = None
    exchange.identity = Identity()
    exchange.status, exchange.outcome, exchange.reason = 401, "refused", Reason.KEY_MISSING
    record = closed(exchange, DIGEST)
    assert (record["status"], record["reason"], record["who"]) == (401, "key_missing", {})


def test_methods_of_messages_are_named_up_to_a_number() -> None:
    exchange = make_exchange()
    assert exchange.call is not None
    assert "rpc" not in opened(exchange)
    exchange.call.rpc = ["tools/call"] * (MOST_ITEMS + 1)
    assert opened(exchange)["rpc"] == ["tools/call"] * MOST_ITEMS


def test_record_is_bounded_whatever_was_sent():
    exchange = full_exchange()
    assert exchange.call is not None
    exchange.call.model = "m" * 100_000
    exchange.request.target = "/" + "p" * 100_000
    exchange.tools = [ToolTrace("n" * 100_000, "d" * 32, None)] * 10_000
    exchange.verdicts = [verdict(what="w" * 10_000)] * 10_000
    exchange.call.steps += [Step(StepKind.RESULT, text="r")] * 10_000
    record = closed(exchange, DIGEST)
    assert len(record["model"]) == LONGEST_NAME
    assert len(record["tool_calls"]) == len(record["verdicts"]) == MOST_ITEMS
    assert record["left_out"] == 10_000 - MOST_ITEMS
    assert len(orjson.dumps(record)) < 400_000


@pytest.mark.parametrize(
    ("place", "safe"),
    [
        ("messages[2].content", "messages[2].content"),
        ("messages[2].content[0].text", "messages[2].content[0].text"),
        ("tools[1].function.description", "tools[1].function.description"),
        (
            "messages[0].tool_calls[0].function.arguments.AKIA",
            "messages[0].tool_calls[0].function.arguments.*",
        ),
        ("input[0].arguments.password[3].x", "input[0].arguments.*"),
        ("content.text message", "content.*"),
        ("", ""),
    ],
)
def test_place_holds_the_dialects_own_words_only(place, safe):
    assert safe_place(place) == safe


@given(text=st.text(), other=st.text())
def test_digest_is_keyed_and_equal_for_equal_texts_only(text, other):
    digest = make_digest(b"k" * 32)
    assert len(digest(text)) == 32
    assert (digest(text) == digest(other)) == (text == other)
    assert digest(text) != make_digest(b"x" * 32)(text)


def test_path_that_holds_content_is_told_as_its_pattern():
    exchange = make_exchange()
    exchange.request.target = f"/tools/users/{SECRET}"
    exchange.target.shown_as = "/tools/users/{id}"
    assert opened(exchange)["path"] == "/tools/users/{id}"


def test_stand_ins_are_counted_and_never_named():
    exchange = make_exchange()
    exchange.pseudonyms = Pseudonyms()
    said = exchange.pseudonyms.stand_in("PERSON", "Jane Roe", b"k" * 32, plausible=False)
    exchange.pseudonyms.restored = 3
    record = closed(exchange, DIGEST)
    assert record["stand_ins"] == {"put_away": 1, "put_back": 3}
    assert "Jane" not in str(record)
    assert said not in str(record)


def test_what_a_local_share_decided_has_its_limit_and_no_serial():
    exchange = full_exchange()
    exchange.admission = Admission("~1", (Level(7, 2, 100),), 0, local=True)
    limits = closed(exchange, DIGEST)["limits"]
    assert limits["local"] is True
    assert "serial" not in limits
    first = limits["claims"][0]
    assert (first["limit"], first["used"], first["reserved"]) == (100, 7, 2)


def test_a_refusal_is_kept_of_a_call_that_was_changed_and_then_claimed_nothing():
    exchange = full_exchange()
    refused = Admission("", (Level(9, 0, 10),), 4, Refusal(0, Cause.SPENT, 0.0))
    exchange.tried = [((Claim("k", 2, 10),), refused)]
    exchange.admission, exchange.claims, exchange.claim_rules = None, [], []
    limits = closed(exchange, DIGEST)["limits"]
    assert limits["claims"] == []
    assert [each["serial"] for each in limits["tried"]] == [4]
