"""How a process of ours is started: workers, the log's check of itself, the reader of names."""

from __future__ import annotations

import sys
from pathlib import Path


def path_flags() -> list[str]:
    """A process of ours finds our code where this one found it: the working folder counts for it
    only where it counts here, so that no file that lies there is run by chance."""
    try:
        here = {"", str(Path.cwd())}
    except OSError:  # the folder is gone
        here = {""}
    return [] if here & set(sys.path) else ["-P"]
