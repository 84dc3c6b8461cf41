"""Three states, and a bound on what is listed."""

import pytest

from gateway.audit.chain import RecordType
from gateway.audit.findings import MOST_PROBLEMS, ChainReport, Report, State, Trouble
from tests.structure.house import DOCS, code_of, mentions


@pytest.mark.parametrize("word", [*Trouble, *RecordType])
def test_every_trouble_and_record_type_is_documented(word):
    assert mentions(code_of(DOCS / "audit.md"), word.value)


def test_problem_says_file_line_and_record():
    chain = ChainReport("c")
    chain.add(Trouble.EDITED, "c.000001.jsonl", 4, 3, "this record was edited")
    assert str(chain.problems[0]) == "c.000001.jsonl:4 (record 3): this record was edited"


def test_problem_of_a_whole_file_names_no_line():
    chain = ChainReport("c")
    chain.add(Trouble.CUT, "c", 0, -1, "gone")
    assert str(chain.problems[0]) == "c: gone"


@pytest.mark.parametrize(
    ("bad", "unchecked", "state", "code"),
    [
        (False, False, State.OK, 0),
        (False, True, State.UNCHECKED, 2),
        (True, False, State.TAMPERED, 1),
        (True, True, State.TAMPERED, 1),
    ],
)
def test_tampering_outweighs_what_could_not_be_checked(bad, unchecked, state, code):
    chain = ChainReport("c")
    if bad:
        chain.add(Trouble.EDITED, "f", 1, 0, "edited")
    if unchecked:
        chain.unchecked.append("no head")
    report = Report([chain])
    assert (report.state, report.exit_code) == (state, code)


def test_problems_are_counted_beyond_those_that_are_listed():
    chain = ChainReport("c")
    for line in range(MOST_PROBLEMS + 5):
        chain.add(Trouble.EDITED, "f", line, line, "edited")
    assert (len(chain.problems), chain.more_problems) == (MOST_PROBLEMS, 5)
