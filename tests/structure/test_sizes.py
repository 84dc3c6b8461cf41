"""How long files are. A long file hides more than one idea."""

from __future__ import annotations

import statistics

from tests.structure.house import sources

LONGEST = 600
LONG = 400
MEDIAN = 170

# Tables of data that may be longer than code may be. This list only shrinks, and what stands on it
# holds no code.
TABLES = {"gateway/detectors/signature_table.py"}

# Packages that only name themselves, and data, say nothing of how code is cut.
SIZES = {
    source.name: source.lines
    for source in sources()
    if not source.is_data and not (source.is_package and source.lines < 20)
}


def test_tables_hold_no_code_and_need_their_place_on_the_list() -> None:
    long = {source.name for source in sources() if source.is_data and source.lines > LONGEST}
    assert long == TABLES


def test_no_file_is_above_the_limit() -> None:
    too_long = {name: lines for name, lines in SIZES.items() if lines > LONGEST}
    assert not too_long


def test_nine_in_ten_are_short() -> None:
    long = {name: lines for name, lines in SIZES.items() if lines >= LONG}
    assert len(long) <= max(1, len(SIZES) // 10), long


def test_the_median_file_is_one_idea() -> None:
    assert statistics.median(SIZES.values()) <= MEDIAN
