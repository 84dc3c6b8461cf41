"""A record in words."""

from gateway.audit.reading import Entry
from gateway.audit.record import closed, opened
from gateway.cli.audit_show import row, story
from gateway.dialects.base import Usage
from gateway.exchange import ToolTrace
from gateway.testing import make_call, make_exchange
from gateway.verdict import GATEWAY, Action, Reason, RuleRef, Verdict

RULE = RuleRef("starter", "tools", "tools")


def entry(exchange, kind="closed"):
    payload = closed(exchange, str) if kind == "closed" else opened(exchange)
    frame = {"type": kind, "time": "2026-11-21T05:22:09.461614Z", "seq": 7}
    return Entry({**payload, **frame}, "f" * 64, "worker-0-x.000001.jsonl")


def answered():
    exchange = make_exchange(make_call([("user", "hello")], tools=["search"]), user="ann")
    exchange.status = exchange.upstream_status = 200
    exchange.outcome = "answered"
    exchange.model_served = "gpt-4o-mini-2024-07-18"
    exchange.usage = Usage(100, cache_read=20, output=30, estimated=True)
    exchange.cost = 33_000
    exchange.tools = [
        ToolTrace("search", "a", "a"),
        ToolTrace("mail", "a", "b"),
        ToolTrace("rm", "a", None),
    ]
    exchange.spent, exchange.left = {"rules": 1_000_000, "upstream": 2_500_000}, 3_500_000
    return exchange


def test_answered_call_in_words():
    lines = story(entry(answered())).splitlines()
    assert lines[0] == "x1  2026-11-21 05:22:09 UTC"
    assert lines[2] == "  answered"
    facts = {line.split()[0]: line for line in lines[3:] if line}
    assert "user ann (asserted)" in facts["who"]
    assert "POST /v1/chat/completions, model gpt-4o-mini, 1 tools declared" in facts["asked"]
    assert "200, served by gpt-4o-mini-2024-07-18" in facts["upstream"]
    assert "120 tokens in, 30 out (estimated), $0.000033" in facts["used"]
    assert "3.50 ms (rules 1.00, upstream 2.50)" in facts["took"]
    assert "number 7, hash " + "f" * 64 in facts["record"]


def test_fate_of_each_tool_call():
    text = story(entry(answered()))
    assert "search: let through\n" in text
    assert "mail: let through, changed" in text
    assert "rm: taken out" in text


def test_enforced_verdict_comes_before_one_in_shadow():
    exchange = answered()
    exchange.verdicts = [
        Verdict(Action.BLOCK, Reason.TOOL_DENIED, RULE, "denies it", shadow=True),
        Verdict(Action.FLAG, Reason.PII_FOUND, RULE, "found a card", place="messages[0].content"),
    ]
    lines = story(entry(exchange)).splitlines()
    assert lines[3] == "  flag: rule starter/tools found a card (pii_found, at messages[0].content)"
    assert lines[4].endswith("denies it (tool_denied, shadow: not enforced)")


def test_exchange_that_was_never_closed():
    text = story(entry(answered(), "opened"))
    assert "opened and not closed" in text
    assert "open" in row(entry(answered(), "opened"))


def test_row_names_the_rule_that_acted():
    exchange = answered()
    exchange.verdicts = [Verdict(Action.BLOCK, Reason.TOOL_DENIED, RULE)]
    line = row(entry(exchange))
    assert line.startswith("2026-11-21 05:22:09  x1  200 block")
    assert line.endswith("gpt-4o-mini              tool_denied (starter/tools)")


def test_colours_only_where_asked_for():
    exchange = answered()
    exchange.verdicts = [Verdict(Action.BLOCK, Reason.TOOL_DENIED, RULE)]
    assert "\x1b" not in story(entry(exchange)) + row(entry(exchange))
    assert "\x1b[31m" in story(entry(exchange), colour=True)
    assert "\x1b[31m" in row(entry(exchange), colour=True)


def test_a_refusal_names_who_would_have_got_the_call():
    exchange = answered()
    exchange.outcome = "refused"
    assert "nothing was sent to the provider" in story(entry(exchange))
    shown = entry(exchange)
    for dialect, party in (("mcp", "server"), ("http_tool", "tool"), ("tunnel", "host")):
        shown.record["dialect"] = dialect
        assert f"nothing was sent to the {party}" in story(shown)


def test_what_no_rule_decided_is_the_gateways():
    exchange = answered()
    exchange.verdicts = [Verdict(Action.BLOCK, Reason.BODY_MALFORMED, GATEWAY)]
    assert "block: the gateway itself (body_malformed)" in story(entry(exchange))


def test_a_call_of_mcp_names_its_method_and_its_session():
    shown = entry(answered())
    shown.record.update(dialect="mcp", rpc=["tools/call"])
    shown.record["who"].update(session="s_1", session_source="derived")
    text = story(shown)
    assert "POST /v1/chat/completions, tools/call" in text
    assert "session s_1 (of all such calls by one key)" in text


def test_a_tunnel_names_the_address_that_it_led_to():
    shown = entry(answered())
    shown.record.pop("upstream_status")
    shown.record.update(dialect="tunnel", upstream="forward_proxy", peer="192.0.2.7")
    assert "forward_proxy (tunnel): connected to 192.0.2.7" in story(shown)


def test_names_that_a_caller_or_a_provider_chose_give_no_order_to_the_terminal():
    exchange = answered()
    exchange.call.model = exchange.model_served = "gpt\x1b[2J"
    exchange.tools = [ToolTrace("rm\x1b[2J", "a", None)]
    assert "\x1b" not in story(entry(exchange)) + row(entry(exchange))
