"""The official Node SDKs (`openai`, `@anthropic-ai/sdk`, Vercel's `ai`), as they come, against a
running gateway. One Node process makes all the calls of tests/clients/cases.py at once; each test
looks at its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cases import CASES, Ask, Case
from tests.clients.conftest import FLAVOURS, Gate

NODE = Path(__file__).parent / "node"
SIDES = ("node", "ai")
UNKNOWN_KEY = "ptc_unknown1_" + "x" * 43

every_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
every_side = pytest.mark.parametrize("side", SIDES)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@dataclass(frozen=True)
class Heard:
    """What run.mjs saw of one call. `error` has kind, name, status, code, message, body."""

    id: str
    text: str
    tools: list[str]
    error: dict[str, Any] | None
    failed: dict[str, Any] | None
    attempts: int
    headers: dict[str, str]

    @property
    def everything(self) -> str:
        return f"{self.text} {self.tools} {self.error} {self.failed}"


Results = dict[str, Heard]


@pytest.fixture(scope="session")
def results(gate: Gate) -> Results:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here: the Node SDKs are not tested")
    if not (NODE / "node_modules" / "openai").exists():
        pytest.skip("tests/clients/node/node_modules is not here: `make test` installs it")
    order = {"base": gate.base, "runs": list(jobs(gate))}
    done = subprocess.run(
        [node, "run.mjs"],
        cwd=NODE,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {each["id"]: Heard(**each) for each in json.loads(done.stdout)}


def jobs(gate: Gate) -> Any:
    """Runs of jobs; those of one run share a tenant and come one after the other."""
    for side in SIDES:
        for flavour in FLAVOURS:
            for stream in (False, True):
                way = {"side": side, "flavour": flavour, "stream": stream}

                def job(
                    name: str, policy: str, ask: Ask, key: str = "", *, way: Any = way
                ) -> dict[str, Any]:
                    own = gate.keys[policy, way["side"], way["flavour"], way["stream"]]
                    made = {"id": named(name, **way), "ask": asdict(ask), "key": key or own}
                    return {**made, **way}

                for case in CASES:
                    yield [
                        job(f"{case.name}/passes", case.name, case.passes),
                        job(f"{case.name}/stops", case.name, case.stops),
                    ]
                yield [job("early", "patterns-output", Ask(say="early"))]
                yield [job(f"wait/{number}", "wait", Ask()) for number in (1, 2)]
                yield [job("provider", "none", Ask(say="status-500"))]
                yield [job("unknown", "none", Ask(), UNKNOWN_KEY)]


def named(name: str, side: str, flavour: str, stream: bool) -> str:
    return f"{name} {side} {flavour} {'stream' if stream else 'whole'}"


@every_way
@every_flavour
@every_side
@every_case
def test_a_call_passes_and_one_is_stopped_or_changed(
    results: Results, case: Case, side: str, flavour: str, stream: bool
) -> None:
    passed = results[named(f"{case.name}/passes", side, flavour, stream)]
    assert passed.error is None, passed.error
    assert passed.attempts == 1
    assert passed.text in ("Hello there.", "Looking.")
    assert passed.headers["x-portcullis-verdict"] == "allow"

    stopped = results[named(f"{case.name}/stops", side, flavour, stream)]
    assert stopped.headers["x-portcullis-id"].startswith("ptx_")
    assert case.agent_has in stopped.everything
    if case.agent_lacks:
        assert case.agent_lacks not in stopped.everything
    if case.effect == "limited":
        check_limited(stopped, side)
    elif case.effect == "refused" or (case.effect == "cut" and not stream):
        check_refused(stopped, side, flavour, case.reason)
    elif case.effect == "cut":
        check_cut(stopped, side, flavour)
    else:
        assert stopped.error is None, stopped.error
        assert stopped.attempts == 1
        assert stopped.tools == list(case.tools_left)


def check_refused(heard: Heard, side: str, flavour: str, reason: str) -> None:
    """One attempt, the SDK's error for a bad request, the reason in it."""
    assert heard.error is not None
    assert heard.attempts == 1
    assert heard.error["status"] == 400
    assert heard.error["kind"] == ("APICallError" if side == "ai" else "BadRequestError")
    assert heard.headers["x-portcullis-reason"] == reason
    assert f'"code":"{reason}"' in heard.error["body"].replace(" ", "")
    if side == "node" and flavour != "anthropic_messages":
        assert heard.error["code"] == reason
    assert "Portcullis blocked" in heard.error["message"]


def check_limited(heard: Heard, side: str) -> None:
    """A long wait. `ai` knows no `x-should-retry` and tries three times all the same."""
    assert heard.error is not None
    assert heard.error["status"] == 429
    assert int(heard.headers["retry-after"]) > 60
    assert heard.headers["x-should-retry"] == "false"
    if side == "ai":
        assert (heard.error["name"], heard.attempts) == ("AI_RetryError", 3)
    else:
        assert (heard.error["kind"], heard.attempts) == ("RateLimitError", 1)


def check_cut(heard: Heard, side: str, flavour: str) -> None:
    """A block in the middle of a stream, as each SDK tells it, after what had been delivered."""
    assert heard.attempts == 1
    assert heard.text.startswith("All is well. The word is")
    if flavour == "anthropic_messages":
        assert heard.error is None
        assert "Portcullis blocked this answer" in heard.text
    elif flavour == "openai_responses" and side == "node":
        assert heard.failed is not None
        assert heard.failed["code"] == "invalid_prompt"
    else:
        assert heard.error is not None
        assert side == "ai" or heard.error["kind"] == "APIError"
        assert "Portcullis blocked this answer" in heard.error["body"] + heard.error["message"]


@every_flavour
@every_side
def test_a_block_before_the_first_text_is_a_bad_request(
    results: Results, side: str, flavour: str
) -> None:
    heard = results[named("early", side, flavour, True)]
    check_refused(heard, side, flavour, "pattern_found")
    assert heard.text == ""


@every_way
@every_flavour
@every_side
def test_a_short_wait_is_sat_out_by_the_sdk(
    results: Results, side: str, flavour: str, stream: bool
) -> None:
    heard = [results[named(f"wait/{number}", side, flavour, stream)] for number in (1, 2)]
    assert [each.error for each in heard] == [None, None]
    assert [each.text for each in heard] == ["Hello there."] * 2
    assert [each.attempts for each in heard] == [1, 2]


@every_way
@every_flavour
@every_side
def test_the_providers_own_error_reaches_the_sdk_and_its_retries_work(
    results: Results, side: str, flavour: str, stream: bool
) -> None:
    heard = results[named("provider", side, flavour, stream)]
    assert heard.error is not None
    assert (heard.error["status"], heard.attempts) == (500, 3)
    assert "the provider is unhappy" in heard.error["body"] + heard.error["message"]


@every_way
@every_flavour
@every_side
def test_an_unknown_gateway_key_is_an_authentication_error(
    results: Results, side: str, flavour: str, stream: bool
) -> None:
    heard = results[named("unknown", side, flavour, stream)]
    assert heard.error is not None
    assert (heard.error["status"], heard.attempts) == (401, 1)
    assert heard.headers["x-portcullis-reason"] == "key_invalid"
    if side == "node":
        assert heard.error["kind"] == "AuthenticationError"
