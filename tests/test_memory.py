"""What was needed once is given back."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from gateway.memory import give_back
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
pieces = [bytes(1000) for _ in range(60_000)]
kept = pieces[::1000]
full = resident()
del pieces
give_back()
sys.exit(0 if full - resident() > 20e6 else 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_nothing_holds_goes_back_to_the_system() -> None:
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0
