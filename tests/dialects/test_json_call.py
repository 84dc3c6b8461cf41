"""What calls over a JSON object share."""

from __future__ import annotations

from gateway.dialects.json_call import JsonCall
from gateway.dialects.jsondoc import parse_object


class Bare(JsonCall):
    """A call that reads one field."""

    def _read_fields(self) -> None:
        self.model = str(self._root.get("model"))

    def input_bound(self) -> int:
        return self._body_size()


def bare(body: bytes) -> Bare:
    return Bare(parse_object(body))


def test_a_body_that_nobody_changed_leaves_as_it_came() -> None:
    made = bare(b'{"model": "a",  "n": 1}')
    made.force_field("n", 1)
    made.remove_tools(frozenset({"x"}))
    assert made.encode() == b'{"model": "a",  "n": 1}'
    assert made.get_field("n") == 1
    assert made.get_field("m") is None


def test_a_forced_field_is_written_and_read_again() -> None:
    made = bare(b'{"model": "a"}')
    made.force_field("model", "b")
    assert made.model == "b"
    assert made.encode() == b'{"model":"b"}'


def test_the_size_of_a_changed_body_is_that_of_the_longer_one() -> None:
    made = bare(b'{"model": "a"}')
    before = made.input_bound()
    made.force_field("note", "x" * 100)
    assert made.input_bound() > before + 100
    made.force_field("note", "")
    assert made.input_bound() >= before
