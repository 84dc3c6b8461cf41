"""What the pages show works: every policy is loaded and compiled, every piece of JSON is JSON."""

from __future__ import annotations

import json

import pytest

from gateway.config import attached
from gateway.config.load import load_texts
from gateway.policy.compile import compile_policy
from gateway.testing import make_workshop
from tests.certificates import Authority
from tests.structure.house import Block, blocks, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
# What a block that shows only a section is read together with.
REST = b"""\
version: 1
upstreams: {the-rest: {provider: anthropic, url: "https://example.com"}}
tenants: {the-rest: {policies: [the-rest]}}
policies: {the-rest: {rules: []}}
default_tenant: the-rest
"""
SHOWN = Authority().issue()
FILES = {"secret": b"fake", "certificate": SHOWN.cert, "private-key": SHOWN.key}
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-fake",
    "ANTHROPIC_API_KEY": "sk-fake",
    "OPS_WEBHOOK": "https://hooks.example.com/notices",
    "OPS_WEBHOOK_SECRET": "a secret of many letters",
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/T0/B0/fake",
}


def written_in(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def test_every_block_says_what_it_is() -> None:
    """A block without a language is a shell's or a log's: nobody checks it by mistake."""
    assert {block.language for block in BLOCKS} <= {"", "yaml", "json", "sh", "text", "mermaid"}


@pytest.mark.parametrize("block", written_in("yaml"), ids=lambda block: block.name)
def test_a_policy_that_is_shown_loads(block: Block) -> None:
    texts = {"block": block.text.encode()}
    if not block.text.startswith("version:"):
        texts["rest"] = REST
    texts |= {each.name: FILES[each.sort] for each in attached.references(texts)}
    compile_policy(load_texts(texts, ENVIRONMENT), make_workshop())


@pytest.mark.parametrize("block", written_in("json"), ids=lambda block: block.name)
def test_json_that_is_shown_is_json(block: Block) -> None:
    json.loads(block.text)
