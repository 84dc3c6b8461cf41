"""Headers keep what was sent and find it by its name in any spelling."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers, Request

NAMES = st.sampled_from(["Host", "host", "X-A", "x-a", "Accept"])
ITEMS = st.lists(st.tuples(NAMES, st.text(max_size=3)), max_size=8)


@given(items=ITEMS)
def test_items_keep_order_spelling_and_repeats(items):
    assert list(Headers(items)) == items


@given(items=ITEMS, name=st.sampled_from(["host", "x-a", "accept", "none"]))
def test_first_value_of_a_name_is_found(items, name):
    headers = Headers(items)
    values = [value for key, value in items if key.lower() == name]
    assert headers.get(name, "?") == (values[0] if values else "?")
    assert (name in headers) == bool(values)
    assert headers.has_any(frozenset({name, "another"})) == bool(values)
    assert headers.all(frozenset({name, "another"})) == [(name, value) for value in values]


@given(items=ITEMS)
def test_set_leaves_one_and_remove_leaves_none(items):
    headers = Headers(items)
    headers.get("host")  # what was looked up before does not stay
    headers.set("X-A", "new")
    assert [value for key, value in headers if key.lower() == "x-a"] == ["new"]
    assert headers.get("x-a") == "new"
    headers.remove("X-a")
    assert "x-a" not in headers
    headers.add("x-a", "again")
    assert "x-a" in headers


def test_path_is_without_the_query():
    assert Request("GET", "/v1/models?after=x?y", Headers()).path == "/v1/models"
