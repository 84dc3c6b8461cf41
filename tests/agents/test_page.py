"""docs/agents.md shows the settings and names the versions that are tested."""

from __future__ import annotations

import re

from tests.agents.programs import CODEX_CONFIG
from tests.structure.house import DOCS
from tests.structure.test_dependencies import LOCKED, node_packages, plain

PAGE = (DOCS / "agents.md").read_text()
VERSIONS = dict(re.findall(r"^\| ([\w' .-]+?) \| (\d[\d.]+) \|", PAGE, re.MULTILINE))
NODE = {
    "Claude Code": ("agents", "@anthropic-ai/claude-code"),
    "Codex": ("agents", "@openai/codex"),
    "Vercel's ai": ("clients", "ai"),
}
PYTHON = {"pydantic-ai": "pydantic-ai-slim"}


def test_the_versions_are_those_that_are_locked() -> None:
    assert len(VERSIONS) > len(NODE)
    for name, version in VERSIONS.items():
        if name in NODE:
            folder, package = NODE[name]
            assert node_packages(folder)[package] == version, name
        else:
            assert LOCKED[plain(PYTHON.get(name, name))] == version, name


def test_codexs_settings_are_those_that_the_tests_use() -> None:
    provider = CODEX_CONFIG.partition("[model_providers")[2].replace(
        "BASE", "http://127.0.0.1:8484"
    )
    assert provider in PAGE


def test_what_keeps_an_agent_at_home_is_what_the_tests_set() -> None:
    assert "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1" in PAGE
    for line in ("check_for_update_on_startup = false", "[analytics]", "plugins = false"):
        assert line in PAGE and line in CODEX_CONFIG
