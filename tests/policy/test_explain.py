"""Explaining: which rules a call meets, in order, with mode, condition and place."""

from __future__ import annotations

from gateway.config.load import load_texts
from gateway.policy.compile import compile_policy
from gateway.policy.explain import Row, explain
from gateway.testing import make_workshop
from gateway.verdict import Mode

FILE = b"""\
version: 1
upstreams:
  openai: {provider: openai, url: "https://x"}
  anthropic: {provider: anthropic, url: "https://y"}
tenants: {acme: {policies: [base]}}
default_tenant: acme
policies:
  base:
    rules:
      - {kind: tools, deny: [rm], mode: shadow}
      - {kind: model, deny: [old], when: {user: [ann], upstream: [openai]}}
"""


def test_rows_say_what_applies_in_order_and_where_it_comes_from() -> None:
    snapshot = compile_policy(load_texts({"p.yaml": FILE}, {}), make_workshop())
    model = Row(
        "model", "base/model", "model", Mode.ENFORCE, "user ann, upstream openai", "p.yaml:11"
    )
    tools = Row("tools", "base/tools", "tools", Mode.SHADOW, "", "p.yaml:10")
    assert explain(snapshot, "acme", "openai") == [model, tools]
    assert explain(snapshot, "acme", "anthropic") == [tools]


def test_only_rules_that_watch_a_tool_are_told_with_what_they_say_of_it() -> None:
    text = FILE.replace(b"user: [ann]", b'tool: ["r*"]')
    snapshot = compile_policy(load_texts({"p.yaml": text}, {}), make_workshop())
    said = {row.rule: row.says for row in explain(snapshot, "acme", "openai", "RM")}
    assert said == {"base/model": "", "base/tools": "denies it"}
    said = {row.rule: row.says for row in explain(snapshot, "acme", "openai", "cat")}
    assert said == {"base/tools": "lets it pass"}


def test_tunnels_have_rules_of_their_own() -> None:
    more = b"      - {kind: egress, allow: [a.example]}\n      - {kind: secrets, action: block}\n"
    text = FILE + more + b"forward_proxy: {}\n"
    snapshot = compile_policy(load_texts({"p.yaml": text}, {}), make_workshop())
    kinds = {
        upstream: [row.kind for row in explain(snapshot, "acme", upstream)]
        for upstream in ("openai", "forward_proxy")
    }
    assert kinds == {
        "openai": ["model", "tools", "secrets"],
        "forward_proxy": ["egress", "secrets"],
    }
