"""The scan cache: what it remembers, what it forgets, and that it keeps no text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.scan_cache import ScanCache
from gateway.verdict import Finding

KEY = b"k" * 32
FOUND = (Finding("EMAIL_ADDRESS", 3, 9),)


def text(number: int) -> str:
    """A text; a new object each time."""
    return f"{number:08d}" * 4


def test_findings_are_known_by_text_and_version() -> None:
    cache = ScanCache(KEY)
    assert cache.get(text(1), "a") is None
    cache.put(text(1), "a", FOUND)
    cache.put(text(1), "b", ())
    assert cache.get(text(1), "a") == FOUND
    assert cache.get(text(1), "b") == ()
    assert cache.get(text(1), "c") is None
    assert cache.get(text(2), "a") is None
    assert (cache.hits, cache.misses, cache.evictions) == (2, 3, 0)


def test_a_short_text_is_remembered_too() -> None:
    cache = ScanCache(KEY)
    cache.put("x", "a", FOUND)
    assert cache.get("".join(["x"]), "a") == FOUND


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = ScanCache(KEY, max_entries=2)
    cache.put(text(1), "a", ())
    cache.put(text(2), "a", ())
    assert cache.get(text(1), "a") == ()
    cache.put(text(3), "a", ())
    assert cache.get(text(2), "a") is None
    assert cache.get(text(1), "a") == ()
    assert cache.get(text(3), "a") == ()
    assert (len(cache), cache.evictions) == (2, 1)


def test_findings_too_large_to_keep_are_let_go() -> None:
    cache = ScanCache(KEY, max_bytes=2_000)
    one = text(1)
    cache.put(one, "a", FOUND * 100)
    assert (len(cache), cache.size) == (0, 0)
    assert cache.get(one, "a") is None
    cache.put(one, "a", FOUND)
    assert cache.get(one, "a") == FOUND


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9), st.sampled_from("abc"), st.integers(0, 5)),
        max_size=60,
    ),
    st.integers(1, 5),
    st.integers(1_000, 6_000),
)
def test_it_never_grows_beyond_its_bounds_nor_says_what_it_was_not_told(
    steps: list[tuple[bool, int, str, int]], most: int, room: int
) -> None:
    cache = ScanCache(KEY, max_entries=most, max_bytes=room)
    told: dict[tuple[int, str], tuple[Finding, ...]] = {}
    for puts, number, version, count in steps:
        known = cache.get(text(number), version)
        assert known is None or known == told[number, version]
        if puts and known is None:
            told[number, version] = FOUND * count
            cache.put(text(number), version, FOUND * count)
        assert len(cache) <= most
        assert 0 <= cache.size <= room
        assert (cache.size == 0) == (len(cache) == 0)


def test_no_text_is_kept_but_the_one_asked_for_last() -> None:
    cache = ScanCache(KEY)
    cache.put("secret " * 100, "a", FOUND)
    cache.put(text(1), "a", ())
    held = [getattr(cache, name) for name in vars(cache)]
    assert "secret" not in repr(held)


def test_without_the_key_a_digest_tells_nothing() -> None:
    one, other = ScanCache(KEY), ScanCache(b"x" * 32)
    for cache in (one, other):
        cache.put(text(1), "a", ())
    assert not set(one._entries) & set(other._entries)


def test_a_lone_surrogate_is_a_text_like_any_other() -> None:
    cache = ScanCache(KEY)
    cache.put("\ud800", "a", FOUND)
    assert cache.get("\ud800", "a") == FOUND
    assert cache.get("\ufffd", "a") is None
