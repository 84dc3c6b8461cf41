"""The stations that are counted are those that the data path leaves."""

import re

from gateway.telemetry.stations import STATIONS, UPSTREAM
from tests.structure.house import GATEWAY

MARK = re.compile(r"\.mark\(\"(\w+)\"\)")


def test_every_station_is_left_somewhere_on_the_data_path():
    files = [*GATEWAY.glob("proxy/*.py"), GATEWAY / "worker.py"]
    left = {name for path in files for name in MARK.findall(path.read_text())}
    assert left == set(STATIONS)


def test_stations_are_named_once():
    assert len(set(STATIONS)) == len(STATIONS)
    assert UPSTREAM in STATIONS
