"""Each step of a budget is announced once, by one of two gateways."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.testing.answers import Say
from gateway.testing.gateway import RunningGateway
from gateway.testing.provider import FakeProvider
from tests.end_to_end.traffic import Got, at_once, chat, outcomes, policy

RULE = {
    "kind": "budget",
    "per": "global",
    "window": "total",
    "limit": "100k tokens",
    "warn_at": ["20%", "50%", "80%"],
}
CALLS = 40


def test_steps_are_announced_once_however_many_calls_pass_them(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path / 'state.db'}"
    with FakeProvider(lambda seen: Say(usage=(100, 1100))) as provider:
        rules = policy(provider.url, RULE)
        with (
            RunningGateway(tmp_path / "one", rules, state=state) as one,
            RunningGateway(tmp_path / "two", rules, state=state, environment=_same(one)) as two,
        ):
            bodies = [chat(max_tokens=10)] * CALLS

            async def both() -> list[Got]:
                got = await asyncio.gather(at_once(one.base, bodies), at_once(two.base, bodies))
                return [reply for replies in got for reply in replies]

            assert outcomes(asyncio.run(both()))["200"] >= 80_000 // 1200
    records = [record for gateway in (one, two) for record in gateway.records()]
    told = [
        verdict["what"]
        for record in records
        for verdict in record.get("verdicts", ())
        if verdict["reason"] == "budget_warning"
    ]
    steps = sorted(what.rpartition("past ")[2] for what in told)
    assert steps == ["20%", "50%", "80%"]


def _same(other: RunningGateway) -> dict[str, str]:
    """The same master key, so that both count under the same keys."""
    return {"PORTCULLIS_MASTER_KEY_FILE": other.environment["PORTCULLIS_MASTER_KEY_FILE"]}
