"""The metrics' names and labels are such as Prometheus and its users expect."""

from __future__ import annotations

import re

import pytest

from gateway.telemetry.declared import Declared
from gateway.telemetry.families import Family, Histogram

FAMILIES = list(Declared().families.all.values())
UNITS = ("seconds", "bytes", "dollars", "ratio", "characters")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_name_says_type_and_unit(family: Family) -> None:
    assert re.fullmatch(r"portcullis_[a-z]+(_[a-z]+)*", family.name)
    assert family.name.endswith("_total") == (family.type == "counter")
    assert family.help.endswith(".")
    if isinstance(family, Histogram):
        assert family.name.endswith(UNITS)
        assert list(family.buckets) == sorted(set(family.buckets))


def test_no_label_could_name_a_person_or_a_run() -> None:
    labels = {label for family in FAMILIES for label in family.labels}
    assert not labels & {"user", "session", "task", "agent", "tenant", "key", "tool", "path", "id"}
