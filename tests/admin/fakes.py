"""A supervisor without workers, for the listeners."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.config.load import Loaded


@dataclass
class FakeSupervisor:
    """Says what a test wants it to say."""

    loaded: Loaded | None = None
    draining: bool = False
    wanted: int = 1
    problems: list[str] = field(default_factory=list)
    answers: dict[int, dict[str, Any]] = field(
        default_factory=lambda: {
            0: {"running": 0, "audit": True, "store": "ok", "policy": "sha256:a"}
        }
    )
    reloads: int = 0
    said: list[tuple[str, str, str, str]] = field(default_factory=list)
    outcome_answer: dict[str, Any] | None = field(
        default_factory=lambda: {"outcome": "success", "counted": True, "known": None}
    )

    def describe(self) -> dict[str, Any]:
        return {
            "policy": "sha256:a",
            "policy_problems": self.problems,
            "workers": {"wanted": self.wanted, "ready": len(self.answers)},
            "draining": self.draining,
        }

    async def health(self) -> dict[int, dict[str, Any]]:
        return self.answers

    async def reload(self) -> list[str]:
        self.reloads += 1
        return self.problems

    async def outcome(
        self, session: str, outcome: str, by: str, note: str
    ) -> dict[str, Any] | None:
        self.said.append((session, outcome, by, note))
        return self.outcome_answer
