"""Findings that overlap become one, whatever order they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.overlaps import united
from gateway.verdict import Finding

FINDINGS = st.builds(
    lambda entity, start, size, score: Finding(entity, start, start + size, score),
    st.sampled_from("AB"),
    st.integers(0, 30),
    st.integers(1, 9),
    st.sampled_from([0.4, 0.9]),
)


@given(st.lists(FINDINGS, max_size=12))
def test_what_is_covered_stays_covered_and_nothing_overlaps(findings: list[Finding]) -> None:
    made = united(findings)
    covered = {at for f in findings for at in range(f.start, f.end)}
    assert [at for f in made for at in range(f.start, f.end)] == sorted(covered)
    assert united(made) == made


def test_the_better_score_names_it() -> None:
    found = united([Finding("PERSON", 4, 8, 0.85), Finding("EMAIL", 0, 12, 1.0)])
    assert found == (Finding("EMAIL", 0, 12, 1.0),)
