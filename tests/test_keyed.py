"""The digest is HMAC-SHA256 as the standard library makes it."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from gateway.keyed import Keyed


@given(key=st.binary(max_size=100), messages=st.lists(st.binary(max_size=200), max_size=4))
def test_digest_is_that_of_the_standard_library(key, messages):
    keyed = Keyed(key)
    for message in messages:
        assert keyed.hex(message) == hmac.new(key, message, "sha256").hexdigest()
