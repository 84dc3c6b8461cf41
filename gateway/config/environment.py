"""`${NAME}` and `${file:PATH}` in the policy file: values from the environment and from files, and
how they stay out of sight.

Only values may hold references, never keys, and what comes in stays one text: it cannot add
structure to the file. `$${` stands for a plain `${`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.config.units import shown
from gateway.config.yaml_tree import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)|file:([^}]+))\}|\$\{")

ReadFile = Callable[[str, Path], str]
"""The content of a file by its name as written and the place of the reference. Raises ValueError
with what is wrong."""


class Environment:
    """Resolves references, and takes what it put in out of messages again.

    `missing` lists (path, variable) of what is not set, `malformed` the paths of references
    that name neither a variable nor a file, `unread` (path, problem) of files. A variable that is
    set to nothing counts as not set.
    """

    def __init__(self, variables: Mapping[str, str], read_file: ReadFile | None = None) -> None:
        self._variables = variables
        self._read_file = read_file
        self._hidden: dict[str, str] = {}
        self.missing: list[tuple[Path, str]] = []
        self.malformed: list[Path] = []
        self.unread: list[tuple[Path, str]] = []

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """A copy of the tree with every reference replaced; None for a text with a reference that
        brings nothing."""
        if isinstance(value, dict):
            return {key: self.resolve(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self.resolve(each, (*path, index)) for index, each in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, path)
        return value

    def scrub(self, message: str) -> str:
        """A message without any value that a reference brought."""
        for value, written in self._hidden.items():
            message = message.replace(value, written)
        return message

    def _text(self, text: str, path: Path) -> str | None:
        unset = False

        def put(found: re.Match[str]) -> str:
            nonlocal unset
            if found[1] is None and found[2] is None:
                if found[0] == "${":
                    self.malformed.append(path)
                return "${"
            value = self._file(found[2], path) if found[2] else self._variable(found[1], path)
            if value:
                self._hide(value, found[0])
            else:
                unset = True
            return value

        resolved = _REFERENCE.sub(put, text)
        if unset:
            return None
        if resolved != text:
            self._hide(resolved, text)
        return resolved

    def _variable(self, name: str, path: Path) -> str:
        value = self._variables.get(name, "")
        if not value:
            self.missing.append((path, name))
        return value

    def _file(self, written: str, path: Path) -> str:
        try:
            if self._read_file is None:
                raise ValueError(f"the file {written} is not read here")
            return self._read_file(written, path)
        except ValueError as error:
            self.unread.append((path, str(error)))
            return ""

    def _hide(self, value: str, written: str) -> None:
        # Longest form first: `shown` cuts, and a cut secret is still part of one.
        for form, stand_in in (
            (shown(value), repr(written)),
            (repr(value), repr(written)),
            (value, written),
        ):
            # A value like "1" or "on" would be replaced everywhere and hides nothing.
            if len(value) > 3:
                self._hidden.setdefault(form, stand_in)
