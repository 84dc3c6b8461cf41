"""YAML is read without guesses, with the line of every value, and never crashes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.yaml_tree import read_tree


def test_only_plain_numbers_and_booleans_are_more_than_text() -> None:
    text = b"[8, 1.5, true, null, ~, no, on, 1:30, 2027-01-31, 8k, $5.00, 50%, 1_000, '8']"
    assert read_tree("f", text).value == [
        *(8, 1.5, True, None, None),
        *("no", "on", "1:30", "2027-01-31", "8k", "$5.00", "50%", "1_000", "8"),
    ]


def test_every_value_has_its_line() -> None:
    tree = read_tree("f.yaml", b"a:\n  - x\n  - {b: 1}\n\nc:\n  d: 2\n")
    assert tree.marks[("a", 1, "b")] == ("f.yaml", 3)
    assert tree.marks[("c", "d")] == ("f.yaml", 6)
    assert tree.mark(("c", "not there", "at all")) == ("f.yaml", 5)


def test_a_key_written_twice_is_a_problem_that_names_both_lines() -> None:
    tree = read_tree("f", b"a: 1\nb: 2\na: 3\n")
    assert tree.problems == [(("f", 3), "the key 'a' stands here and in line 1")]
    assert tree.value == {"a": 1, "b": 2}


def test_an_alias_repeats_a_value() -> None:
    assert read_tree("f", b"a: &x [1, 2]\nb: *x").value == {"a": [1, 2], "b": [1, 2]}


def test_aliases_cannot_blow_up_a_file() -> None:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)]
    tree = read_tree("f", b"\n".join(lines))
    assert "more than" in tree.problems[0][1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: [", "not YAML"),
        (b"--- a\n--- b", "another document"),
        (b"a: !!python/object:os.system x", "tags are not read here"),
        (b"!mine {a: 1}", "tags are not read here"),
        (b"&a [*a]", "an alias that holds itself"),
        (b"? [a, b]\n: c", "a key must be text"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: \x00", "a character that no text has"),
        (b'"\\UFFFFFFFF"', "an escape that stands for no character"),
        (b"[" * 10_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_a_problem_with_its_line(text: bytes, problem: str) -> None:
    (mark, message), *_ = read_tree("f", text).problems
    assert problem in message
    assert mark[0] == "f"


@given(
    st.one_of(st.binary(), st.text(alphabet="ab:[]{}-&*!?|>'\"%@`#,\n \t~\\xU0").map(str.encode))
)
@example(b"!!int abc")
@example(b"!!bool maybe")
@example(b"%YAML 3.0\n--- a")
@example(b"{<<: *x}")
def test_any_bytes_give_a_tree_or_problems(text: bytes) -> None:
    tree = read_tree("f", text)
    assert tree.mark(())[0] == "f" or tree.problems
