"""The load: wrk with a script that sends the body, the same each time or each one different."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bodies import API_KEY, PLACE, request_body
from benchmarks.processes import OTHER_CORE, program

# One table of pieces between which each request puts a counter and words: string work only, so that
# the load stays cheap beside what it measures.
SCRIPT = """
local pieces = {%(pieces)s}
local words = {%(words)s}
local varied = %(varied)s
local count = 0
local fixed

local function body()
  local out = {}
  for i, piece in ipairs(pieces) do
    out[#out + 1] = piece
    if i < #pieces then
      count = count + 1
      out[#out + 1] = string.format("%%08d %%s %%s %%s", count, words[math.random(#words)],
        words[math.random(#words)], words[math.random(#words)])
    end
  end
  return table.concat(out)
end

function init(args)
  math.randomseed(tonumber(args[1]))
  count = tonumber(args[1]) %% 1000 * 100000
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer %(key)s"
  fixed = wrk.format(nil, nil, nil, body())
end

function request()
  if varied then return wrk.format(nil, nil, nil, body()) end
  return fixed
end
"""
DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
# All eight letters long, so that every body has the same length.
WORDS = (
    "anchored branches calendar daylight eastward fountain gathered hillside islander junction "
    "kindness lanterns mountain northern orchards painting quarries riverbed sailboat timbered "
    "umbrella villages westward yearning"
).split()


FILLING = "00000001 anchored branches calendar"
assert len(FILLING) == len(PLACE)


@dataclass(frozen=True)
class Run:
    """What one run of wrk did: latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def pieces() -> list[str]:
    """The body around the places that are filled in."""
    return request_body().decode().split(PLACE)


def example_body() -> bytes:
    """One body as the script makes it."""
    return FILLING.join(pieces()).encode()


def write_script(folder: Path, *, varied: bool) -> Path:
    """The Lua script, written to a file in `folder`."""
    path = folder / ("varied.lua" if varied else "fixed.lua")
    path.write_text(
        SCRIPT
        % {
            "pieces": ", ".join(quoted(piece) for piece in pieces()),
            "words": ", ".join(quoted(word) for word in WORDS),
            "key": API_KEY,
            "varied": str(varied).lower(),
        }
        + DONE
    )
    return path


def quoted(text: str) -> str:
    """A text as Lua writes it."""
    assert "]==]" not in text
    return f"[==[{text}]==]"


def run(url: str, script: Path, *, connections: int, seconds: float, seed: int) -> Run:
    """Drive `url` for `seconds` over keep-alive connections. `seed` makes this run's bodies."""
    command = [
        *("taskset", "-c", str(OTHER_CORE)),
        *(program("wrk", "wrk"), "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{max(1, round(seconds))}s", "--timeout", "60s", "--latency"),
        *("--script", str(script), url, "--", str(seed)),
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = json.loads(next(line for line in output.splitlines() if line.startswith('{"requests"')))
    return Run(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
        failed=told["failed"],
    )
