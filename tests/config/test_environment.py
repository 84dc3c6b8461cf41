"""References to the environment, and that what they bring stays out of sight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.environment import Environment
from gateway.config.units import shown


def test_references_are_replaced_inside_any_text() -> None:
    environment = Environment({"HOST": "gw", "PORT": "80"})
    document = {"a": ["http://${HOST}:${PORT}/x", 3], "b": {"c": "${PORT}"}}
    assert environment.resolve(document) == {"a": ["http://gw:80/x", 3], "b": {"c": "80"}}
    assert not environment.missing


def test_keys_are_never_replaced() -> None:
    assert Environment({"A": "x"}).resolve({"${A}": 1}) == {"${A}": 1}


def test_what_is_not_set_or_empty_is_missing_and_gives_nothing() -> None:
    environment = Environment({"EMPTY": ""})
    assert environment.resolve({"a": "x${NOT_SET}", "b": ["${EMPTY}"]}) == {"a": None, "b": [None]}
    assert environment.missing == [(("a",), "NOT_SET"), (("b", 0), "EMPTY")]


def test_a_doubled_dollar_is_the_text_itself() -> None:
    environment = Environment({"A": "x"})
    assert environment.resolve("$${A} ${A} $5.00") == "${A} x $5.00"


def test_a_reference_that_names_nothing_is_malformed() -> None:
    environment = Environment({})
    environment.resolve({"a": "${jndi:ldap}"})
    assert environment.malformed == [("a",)]


def test_a_value_cannot_bring_references_of_its_own() -> None:
    assert Environment({"A": "${B}", "B": "secret"}).resolve("${A}") == "${B}"


@given(st.text(min_size=4, max_size=100).filter(lambda s: s not in "expected, not '${SECRET}'"))
def test_no_form_of_a_value_is_left_in_a_message(secret: str) -> None:
    environment = Environment({"SECRET": secret})
    resolved = environment.resolve("key ${SECRET}")
    for form in (secret, repr(secret), shown(resolved), repr(resolved)):
        scrubbed = environment.scrub(f"expected, not {form}")
        assert secret not in scrubbed
        assert "SECRET" in scrubbed


def test_a_file_stands_for_its_content_inside_any_text() -> None:
    asked = []

    def read(written: str, path: tuple[str | int, ...]) -> str:
        asked.append((written, path))
        return "hunter2"

    environment = Environment({}, read)
    assert environment.resolve({"a": ["Basic ${file:/run/key}"]}) == {"a": ["Basic hunter2"]}
    assert asked == [("/run/key", ("a", 0))]
    assert environment.scrub("not 'Basic hunter2'") == "not 'Basic ${file:/run/key}'"


def test_what_a_file_does_not_bring_is_told_and_gives_nothing() -> None:
    def read(written: str, path: tuple[str | int, ...]) -> str:
        raise ValueError(f"{written} is away")

    environment = Environment({}, read)
    assert environment.resolve({"a": "x${file:key}", "b": "${file:}"}) == {
        "a": None,
        "b": "${file:}",
    }
    assert environment.unread == [(("a",), "key is away")]
    assert environment.malformed == [("b",)]
