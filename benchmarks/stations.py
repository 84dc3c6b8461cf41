"""Where the gateway's time goes, from its own metrics."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping

METRIC = "portcullis_station_seconds"
LINE = re.compile(
    rf"^{METRIC}(?P<kind>_sum|_total)\{{(?P<labels>[^}}]*)\}} (?P<value>[0-9.eE+-]+)$", re.MULTILINE
)
STATION = re.compile(r'station="([^"]*)"')


def station_seconds(probes: str) -> dict[str, float]:
    """Seconds spent in each station so far, as the probe listener at `probes` tells.

    Reads a counter (`_total`) or a histogram (`_sum`), adds up a station's series, and keeps the
    order of the scrape. Empty where the gateway does not tell.
    """
    with urllib.request.urlopen(f"{probes}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    seconds: dict[str, float] = {}
    for match in LINE.finditer(text):
        if station := STATION.search(match["labels"]):
            seconds[station[1]] = seconds.get(station[1], 0.0) + float(match["value"])
    return seconds


def station_table(spent: Mapping[str, float], requests: int) -> str:
    """Microseconds per request by station, as a table; `spent` is in seconds, over all `requests`.

    Stations that wait for others (upstream) show the waiting too: time on the clock, not CPU.
    """
    if not spent or not requests:
        return "  (the gateway told no station times)"
    whole = sum(spent.values())
    lines = [f"  {'station':<16} {'us/request':>10} {'share':>7}"]
    for station, seconds in spent.items():
        share = seconds / whole if whole else 0.0
        lines.append(f"  {station:<16} {seconds / requests * 1e6:>10.1f} {share:>7.0%}")
    lines.append(f"  {'sum':<16} {whole / requests * 1e6:>10.1f}")
    return "\n".join(lines)
