"""Names of tools and models as rules compare them: folded, so that no trick of spelling helps.

`Delete_Database`, full-width letters, a zero-width space in the midst and a Cyrillic letter that
looks like a Latin one all fold to `delete_database`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from gateway.policy.globs import compile_globs, glob_error

_REMEMBERED = 1024
_UNSEEN = frozenset({"Cf", "Cc", "Mn"})  # format characters, controls, combining marks
_PLAIN = re.compile(r"[^ -~]")

# Letters that are drawn like a Latin one: the single-letter part of Unicode's confusables
# (UTS #39) for Cyrillic, Greek and Armenian, and three of Latin's own.
_LOOK_ALIKES = str.maketrans(
    "асԁеһіјӏорԛѕѵԝхуАВСЕНІЈКМОРЅТХУԜαεικνορτυχкмтΑΒΕΖΗΙΚΜΝΟΡΤΥΧհոսօıɡɑ",
    "acdehijlopqsvwxyABCEHIJKMOPSTXYWaeikvoptuxkmtABEZHIKMNOPTYXhnuoiga",
)


def fold(name: str) -> str:
    """The form in which names are compared."""
    if name.isascii() and name.isprintable():
        return name.strip().lower()
    name = unicodedata.normalize("NFKD", name).translate(_LOOK_ALIKES)
    name = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in name if unicodedata.category(c) not in _UNSEEN).strip()


def shown(name: str, longest: int = 64) -> str:
    """A caller's name as it may stand in a sentence or a header: short, printable ASCII."""
    cut = name if len(name) <= longest else name[: longest - 3] + "..."
    return _PLAIN.sub("?", cut)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names as a phrase: `a, b and 3 more`."""
    every = [shown(name) for name in dict.fromkeys(names)]
    if len(every) <= most:
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most} more"


class Names:
    """A list of globs, asked whether it has a name. What was asked is remembered, bounded."""

    __slots__ = ("_known", "_matches", "globs")

    def __init__(self, globs: Iterable[str]) -> None:
        self.globs = tuple(globs)
        self._matches = compile_globs([fold(glob) for glob in self.globs])
        self._known: dict[str, bool] = {}

    def has(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = self._matches(fold(name))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = known
        return known


def _checked(glob: str) -> str:
    problem = glob_error(glob)
    if problem:
        raise ValueError(problem)
    return glob


Glob = Annotated[str, AfterValidator(_checked)]
"""A name, or a glob of names: `shell_*`."""
