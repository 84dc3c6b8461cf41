"""What calls share that ask no model for anything: tools, tunnels, files, what was made earlier."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call


class NoModelCall(Call):
    """There is no output to cap, no field of a model to force, and no tool is declared; its tokens
    are bounded by the bytes of its body."""

    def set_max_output(self, tokens: int) -> None:
        """No model puts anything out."""

    def force_field(self, path: str, value: Any) -> None:
        """What is forced into requests for an answer has no place here."""

    def remove_tools(self, names: frozenset[str]) -> None:
        """None is declared."""

    def input_bound(self) -> int:
        return len(self.document.raw)

    def input_estimate(self) -> int:
        return -(-len(self.document.raw) // 4)
