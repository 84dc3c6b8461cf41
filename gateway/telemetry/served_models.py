"""Notices when a provider begins to answer with another model than before, under the same name.

An alias (`gpt-4o`) is pointed at another snapshot, or a provider quietly serves a smaller model:
nothing in the agent's own code changed, and its answers do.
"""

from __future__ import annotations

from collections import OrderedDict

MOST = 1000
"""Models whose answer is remembered; a caller that makes names up pushes others out."""

LONGEST = 128


class ServedModels:
    """What each model was last answered by, in one worker."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], str] = OrderedDict()

    def changed(self, upstream: str, asked: str, served: str) -> bool | None:
        """Whether another model answered than the last time; None: it is the first time."""
        key, served = (upstream, asked[:LONGEST]), served[:LONGEST]
        before = self._last.get(key)
        if before == served:
            return False
        self._last[key] = served
        if before is not None:
            return True
        if len(self._last) > MOST:
            self._last.popitem(last=False)
        return None
