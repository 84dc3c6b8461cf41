"""Memory that was needed once."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Return to the system what building a policy took and nothing holds any more.

    Automata are built in memory that the C library keeps for later; here there is no later. Where
    it has no `malloc_trim` (musl, macOS) nothing happens.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
