"""A request for something that exists: it asks for no answer of a model and has no body."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call, Document, Surface, Unscannable


class EmptyCall(Call):
    """A GET, or a POST without a body. What was made earlier is given back, at no charge.

    `results`: what is asked for is not an object of the API's but what work has brought.
    """

    operation = "retrieve"
    billable = False
    knows_tools = False
    names_model = False
    answer_surfaces = frozenset(Surface)

    def __init__(self, dialect: str, body: bytes, *, results: bool = False) -> None:
        super().__init__(Document(None, body))
        self.dialect = dialect
        self.results = results
        if body:
            self.unscannable = [Unscannable("body", Surface.USER, "body")]

    def encode(self) -> bytes:
        return self.document.raw

    def set_max_output(self, tokens: int) -> None:
        """Nothing is put out anew."""

    def force_field(self, path: str, value: Any) -> None:
        """There are no fields."""

    def remove_tools(self, names: frozenset[str]) -> None:
        """No tools are declared."""

    def input_bound(self) -> int:
        return len(self.document.raw)

    def input_estimate(self) -> int:
        return -(-len(self.document.raw) // 4)
