"""Claude Code and Codex as npm gives them, run once and without a person: found, set up for the
gateway in a home of their own, and what they showed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.testing.answers import Tool

MODULES = Path(__file__).parent / "node" / "node_modules"
TIMEOUT = 90.0
"""Seconds after which a run counts as hanging; the slowest takes three."""


@dataclass(frozen=True)
class Ran:
    """`shown` is what stands on the terminal: stdout and stderr."""

    code: int
    shown: str


@dataclass(frozen=True)
class Program:
    """An agent. `prepare` writes its settings into a home and gives its environment; `words` are
    the command line for a prompt, `again` for the next prompt of the same session, and `server`
    what adds an MCP server to it (its name and address; the key is the gateway's). `shell` is the
    call of its own tool that runs a command, `remote` of a tool of that server."""

    name: str
    pattern: str
    path: str
    prepare: Callable[[Path, str, str], dict[str, str]]
    words: Sequence[str]
    again: Sequence[str]
    shell: Callable[[str], Tool]
    server: Callable[[str, str, str], Sequence[str]]
    remote: Callable[[str, str, str], Tool]

    def binary(self) -> Path | None:
        """The program for this machine; None where it is not installed."""
        return next(iter(sorted(MODULES.glob(self.pattern))), None)

    def run(
        self,
        binary: Path,
        home: Path,
        base: str,
        key: str,
        prompt: str,
        *,
        environment: Mapping[str, str],
        goes_on: bool = False,
        more: Sequence[str] = (),
    ) -> Ran:
        """One prompt, in `home/work`. Nothing of this process's environment reaches the agent."""
        work = home / "work"
        work.mkdir(parents=True, exist_ok=True)
        given = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "dumb"}
        given |= environment
        given |= self.prepare(home, base, key)
        done = subprocess.run(
            [binary, *(self.again if goes_on else self.words), *more, prompt],
            cwd=work,
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr)


def _claude_code(home: Path, base: str, key: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": base,
        "ANTHROPIC_API_KEY": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(home: Path, base: str, key: str) -> dict[str, str]:
    (home / ".codex").mkdir(exist_ok=True)
    (home / ".codex" / "config.toml").write_text(CODEX_CONFIG.replace("BASE", base))
    return {"GATEWAY_KEY": key}


def _claude_codes_server(name: str, url: str, key: str) -> list[str]:
    entry = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {key}"}}
    config = json.dumps({"mcpServers": {name: entry}})
    return ["--mcp-config", config, "--strict-mcp-config", "--allowedTools", f"mcp__{name}", "-p"]


def _codexs_server(name: str, url: str, key: str) -> list[str]:
    at = f"mcp_servers.{name}"
    return ["-c", f'{at}.url="{url}"', "-c", f'{at}.bearer_token_env_var="GATEWAY_KEY"']


CODEX_CONFIG = """\
model = "gpt-5-codex"
model_provider = "portcullis"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

[features]
plugins = false

[model_providers.portcullis]
name = "Portcullis"
base_url = "BASE/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
"""
"""All that is about the gateway is the last table; the rest keeps a test on this machine."""

CLAUDE_CODE = Program(
    "Claude Code",
    "@anthropic-ai/claude-code-*/claude",
    "/v1/messages",
    _claude_code,
    ("--allowedTools", "Bash", "-p"),
    ("--allowedTools", "Bash", "-c", "-p"),
    lambda command: Tool("Bash", json.dumps({"command": command}), "toolu_1"),
    _claude_codes_server,
    lambda server, name, arguments: Tool(f"mcp__{server}__{name}", arguments, "toolu_1"),
)
CODEX = Program(
    "Codex",
    "@openai/codex-*/vendor/*/bin/codex",
    "/v1/responses",
    _codex,
    ("exec", "--skip-git-repo-check"),
    ("exec", "resume", "--skip-git-repo-check", "--last"),
    lambda command: Tool("exec_command", json.dumps({"cmd": command}), "call_1"),
    _codexs_server,
    lambda server, name, arguments: Tool(name, arguments, "call_1", f"mcp__{server}"),
)
PROGRAMS = (CLAUDE_CODE, CODEX)
