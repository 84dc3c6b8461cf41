"""An operator's phrases and expressions, found as RE2 finds them, whatever way a text is cut."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.phrases import Named, PatternScanner, phrase, problem_of, scanner
from tests.detectors.windows import in_pieces


def spans(expressions, text, start=0):
    made = PatternScanner([Named(f"n{i}", one) for i, one in enumerate(expressions)])
    return [(f.entity, f.start, f.end) for f in made.find(text, start)]


def test_white_space_of_a_phrase_takes_any_and_case_as_told():
    loose = phrase("DROP  TABLE", case_sensitive=False)
    exact = phrase("DROP TABLE", case_sensitive=True)
    for text in ("drop table", "Drop\n\tTable", "DROP\u00a0TABLE"):
        assert re2.search(loose, text)
    assert re2.search(exact, "DROP   TABLE")
    assert not re2.search(exact, "drop table")


def test_signs_in_a_phrase_stand_for_themselves():
    assert re2.search(phrase("rm -rf /", case_sensitive=False), "sudo rm  -rf /tmp")
    assert not re2.search(phrase("a.b*c", case_sensitive=False), "axbbc")


def test_the_first_stands_then_the_longest_and_none_overlap():
    assert spans(["bcd", "abc", "ab"], "xabcdx") == [("n1", 1, 4)]
    assert spans(["a", "b"], "ab") == [("n0", 0, 1), ("n1", 1, 2)]


def test_offsets_are_code_points_and_a_scan_can_begin_anywhere():
    assert spans(["ab"], "éab😀ab") == [("n0", 1, 3), ("n0", 4, 6)]
    assert spans(["ab"], "éab😀ab", 2) == [("n0", 4, 6)]
    assert spans([r"\bab"], "xab ab", 1) == [("n0", 4, 6)]


@pytest.mark.parametrize("expression", ["(", "a(?=b)", r"(a)\1", "a{2000}", "a**"])
def test_what_re2_cannot_read_is_refused_with_its_reason(expression):
    assert "RE2 cannot read it" in problem_of(expression)


@pytest.mark.parametrize("expression", ["a*", "", r"\b", "x?"])
def test_what_would_match_everywhere_is_refused(expression):
    assert "everywhere" in problem_of(expression)


def test_a_good_expression_has_no_problem():
    assert problem_of(r"(?i)\bhost-\d+\.internal\b") is None


EXPRESSIONS = [
    [r"ab+c", r"\bb\w*"],
    [r"host-\d{2}\.internal"],
    [r"[[:alpha:]]{3}1", "é+"],
    [r"\pL1", "ab"],
    [r"(?i)rm\s+-rf"],
]
TEXTS = st.text(alphabet="abc1 é-rmf.\nhost", max_size=40)


@given(st.sampled_from(EXPRESSIONS), TEXTS, st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_text_in_pieces_gives_what_the_whole_one_gives(expressions, text, cuts):
    made = scanner(tuple(Named(f"n{i}", one) for i, one in enumerate(expressions)), 512)
    assert in_pieces(made, text, cuts) == list(made.find(text))


def test_an_expression_without_a_python_form_holds_what_it_declares():
    made = PatternScanner([Named("n", r"\C{3}x")], longest=16)
    assert not made.holds_exactly
    assert made.hold("a" * 40) == 24
    assert PatternScanner([Named("n", "abc")]).hold("xxab") == 2


def test_versions_tell_settings_apart_and_equal_ones_share():
    one = scanner((Named("n", "ab"),), 512)
    assert one is scanner((Named("n", "ab"),), 512)
    assert one.version != scanner((Named("n", "ac"),), 512).version
    assert one.version != scanner((Named("m", "ab"),), 512).version
