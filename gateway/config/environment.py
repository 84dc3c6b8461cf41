"""`${NAME}` in the policy file: values from the environment, and how they stay out of sight.

Only values may hold references, never keys, and what comes in stays one text: a variable
cannot add structure to the file. `$${` stands for a plain `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.config.units import shown
from gateway.config.yaml_tree import Path

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


class Environment:
    """Resolves references, and takes what it put in out of messages again.

    `missing` lists (path, variable) of what is not set, `malformed` the paths of references
    that name no variable. A variable that is set to nothing counts as not set.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._hidden: dict[str, str] = {}
        self.missing: list[tuple[Path, str]] = []
        self.malformed: list[Path] = []

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """A copy of the tree with every reference replaced; None for a text that has a
        variable which is not set."""
        if isinstance(value, dict):
            return {key: self.resolve(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self.resolve(each, (*path, index)) for index, each in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, path)
        return value

    def scrub(self, message: str) -> str:
        """A message without any value that came from the environment."""
        for value, written in self._hidden.items():
            message = message.replace(value, written)
        return message

    def _text(self, text: str, path: Path) -> str | None:
        unset = False

        def put(found: re.Match[str]) -> str:
            nonlocal unset
            name = found[1]
            if name is None:
                if found[0] == "${":
                    self.malformed.append(path)
                return "${"
            value = self._variables.get(name, "")
            if not value:
                unset = True
                self.missing.append((path, name))
            else:
                self._hide(value, f"${{{name}}}")
            return value

        resolved = _REFERENCE.sub(put, text)
        if unset:
            return None
        if resolved != text:
            self._hide(resolved, text)
        return resolved

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
