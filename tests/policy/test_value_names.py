"""A value is read with the name that it has in its object."""

from collections.abc import Sequence

from gateway.detectors.secrets import ENTITIES, scanner
from gateway.dialects.base import Document, Segment, Surface
from gateway.dialects.jsondoc import leaf_segments
from gateway.policy.value_names import LONGEST_NAME, NameReader, find_named, name_of, tells
from gateway.verdict import Finding

SCANNER = scanner(frozenset(ENTITIES))
SAYS = tells([SCANNER])


def test_values_have_names_and_names_and_items_have_none() -> None:
    tree = {"password": "one", "list": ["two"], "key" * LONGEST_NAME: "three", "city": "four"}
    segments = leaf_segments(Document(tree, b""), tree, Surface.TOOL_CALL, "x")
    named = [(name_of(segment, SAYS), segment.text) for segment in segments]
    assert [each for each in named if each[0]] == [("password", "one")]


def test_the_scanner_of_secrets_reads_names() -> None:
    assert isinstance(SCANNER, NameReader)
    assert all(
        map(SCANNER.tells, ["password", "api_key", "DB_PASS", "accessToken", "Authorization"])
    )
    assert not any(map(SCANNER.tells, ["text", "content", "path", "passage", "patient"]))


def test_a_value_is_found_in_its_own_places() -> None:
    assert find_named(SCANNER.find, "password", "Sup3rS3cret!") == (
        Finding("ASSIGNED_PASSWORD", 0, 12),
    )
    assert find_named(SCANNER.find, "city", "Sup3rS3cret!") == ()


def test_what_is_found_in_the_name_is_none_of_the_values() -> None:
    def find(text: str) -> Sequence[Finding]:
        return [Finding("X", 1, 3), Finding("X", len(text) - 3, len(text))]

    assert find_named(find, "name", "value") == (Finding("X", 3, 5),)


def test_a_segment_that_is_no_plain_value_has_no_name() -> None:
    class Number(Segment):
        """A value that is written otherwise."""

    made = Number(Document({}, b""), {}, "token", "1", Surface.TOOL_CALL, "x")
    assert name_of(made, SAYS) == ""


def test_without_a_scanner_that_reads_names_nobody_is_asked() -> None:
    assert tells([object()]) is None
    tree = {"password": "one"}
    assert (
        name_of(Segment(Document(tree, b""), tree, "password", "one", Surface.USER, "x"), None)
        == ""
    )


def test_a_name_may_say_something_to_any_of_several() -> None:
    class Cities:
        """Reads one name."""

        def tells(self, name: str) -> bool:
            return name == "city"

    says = tells([SCANNER, Cities(), object()])
    assert says is not None
    assert says("city")
    assert says("password")
    assert not says("text")
