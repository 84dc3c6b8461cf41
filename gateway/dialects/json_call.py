"""What calls whose body is a JSON object share: the fields by name, and the body's bytes."""

from __future__ import annotations

from typing import Any

from gateway.dialects.base import Call
from gateway.dialects.jsondoc import JsonDocument


class JsonCall(Call):
    """A call over a parsed object. Subclasses read it, in `_read_fields` what rules may force."""

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(document)
        self._document = document
        self._root: dict[str, Any] = document.root

    def _read_fields(self) -> None:
        """Read again what a field may say, after one was forced."""

    def encode(self) -> bytes:
        return self._document.encode()

    def force_field(self, path: str, value: Any) -> None:
        if path not in self._root or self._root[path] != value:
            self._root[path] = value
            self._document.touch()
            self._read_fields()

    def rename_model(self, name: str) -> bool:
        self._root["model"] = name
        for others in ("models", "fallbacks"):
            self._root.pop(others, None)
        self._document.touch()
        self._read_fields()
        return True

    def get_field(self, path: str) -> Any:
        return self._root.get(path)

    def remove_tools(self, names: frozenset[str]) -> None:
        """A call that declares no tools has none to take out."""

    def _body_size(self) -> int:
        """Bytes of the body, of the longer one where rules have changed it."""
        size = len(self._document.raw)
        if self._document.changed:
            size = max(size, len(self.encode()))
        return size
