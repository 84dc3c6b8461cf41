"""A request for something that exists: it asks for no answer of a model and has no body."""

from __future__ import annotations

from gateway.dialects.base import Document, Surface, Unscannable
from gateway.dialects.no_model_call import NoModelCall


class EmptyCall(NoModelCall):
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
