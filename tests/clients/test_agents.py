"""What coding agents send all day passes the starter policy untouched: it is safe, and in nobody's
way."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.testing import answers
from gateway.testing.answers import Say, Tool
from tests.clients.agents import SESSION, TOOLS, claude_code, codex
from tests.proxy.conftest import Bench
from tests.proxy.local import LocalGateway
from tests.proxy.wire import Message, Script, Upstream, answer, call, stream

STARTER = Path(__file__).parents[2] / "policies" / "starter.yaml"
AGENTS = {"claude code": claude_code, "codex": codex}
CALLS = {"/v1/messages": Tool("Bash", '{"command": "rm -rf build"}', "toolu_9")}
PATCH = Tool("shell", '{"command": ["bash", "-lc", "make clean"]}', "call_9")

every_agent = pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS.keys())


def say(got: Message) -> Script:
    """A streamed answer that calls a tool that the agent has."""
    path = got.target.partition("?")[0]
    if got.line.startswith("HEAD"):
        return answer(b"", "404 Not Found")
    if path == "/v1/messages":
        return stream(answers.messages_stream(Say(tools=(CALLS[path],))))
    return stream(answers.responses_stream(Say(tools=(PATCH,))))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The starter policy as it is shipped, its upstreams on this machine."""
    file: dict[str, Any] = copy.deepcopy(yaml.safe_load(STARTER.read_text()))
    with Upstream(say) as upstream:
        for each in file["upstreams"].values():
            each["url"] = upstream.url
        with LocalGateway(tmp_path_factory.mktemp("agents"), file) as gateway:
            yield Bench(gateway, upstream)


@every_agent
def test_a_turn_passes_untouched_in_both_directions(bench: Bench, agent: Any) -> None:
    target, headers, body = agent()
    before = len(bench.upstream.got)
    reply = call(bench.base, target, body, headers)
    assert reply.status == 200, reply.body
    assert reply.get("x-portcullis-verdict") in ("allow", "flag")
    [got] = bench.upstream.got[before:]
    assert (got.target, got.body) == (target, body)
    kept = [pair for pair in headers if pair[0] != "accept-encoding"]
    assert [pair for pair in got.headers if pair in kept] == kept
    sent = say(got)
    assert reply.body == b"".join(_unframed(sent))


def _unframed(script: Script) -> Iterator[bytes]:
    """The chunks of a streamed answer without their framing."""
    for piece in script.pieces[1:-1]:
        assert isinstance(piece, bytes)
        yield piece.split(b"\r\n", 1)[1][:-2]


@every_agent
def test_its_session_is_known_and_nothing_is_blocked(bench: Bench, agent: Any) -> None:
    target, headers, body = agent()
    record = bench.record(call(bench.base, target, body, headers))
    assert record["who"]["session_source"] in ("x-claude-code-session-id", "session-id")
    assert SESSION not in str(record)
    stopping = [v for v in record.get("verdicts", ()) if v["action"] not in ("allow", "flag")]
    assert stopping == []


@every_agent
def test_turn_after_turn_is_not_held_up(bench: Bench, agent: Any) -> None:
    target, headers, body = agent()
    statuses = {call(bench.base, target, body, headers).status for _ in range(40)}
    assert statuses == {200}


def test_the_first_knock_of_claude_code_gets_the_answer_that_it_can_live_with(bench: Bench) -> None:
    assert call(bench.base, "/", method="HEAD").status == 404


def test_the_request_is_as_large_as_it_really_is() -> None:
    _, _, body = claude_code()
    assert len(TOOLS) == 24
    assert 60_000 < len(body) < 100_000
