"""Every failure of a Redis becomes words that say what to do, and hold no secret."""

from __future__ import annotations

import pytest
from redis import exceptions

from gateway.state.redis_errors import UnansweredError, explain, may_pass
from gateway.state.redis_url import Place

PLACE = Place("standalone", (("host", 6379),), username="me", password="hidden")


@pytest.mark.parametrize(
    ("error", "told", "again"),
    [
        (exceptions.OutOfMemoryError("command not allowed"), "give it more", False),
        (exceptions.ResponseError("Error running script: -OOM command"), "give it more", False),
        (exceptions.ReadOnlyError("You can't write"), "name the primary", True),
        (exceptions.NoPermissionError("User x has no permissions"), "the ACL rule", False),
        (exceptions.AuthenticationError("Authentication required."), "asks for a pass", False),
        (exceptions.AuthenticationError("invalid username-password pair"), "refuses", False),
        (exceptions.ResponseError("MISCONF Redis is configured to"), "its log and disk", False),
        (exceptions.ClusterDownError("CLUSTERDOWN Hash slot not served"), "served by", True),
        (exceptions.BusyLoadingError("Redis is loading"), "still loading", True),
        (exceptions.MovedError("1 127.0.0.1:1"), "write redis[+]cluster", False),
        (exceptions.ConnectionError("Error 111 connecting to h"), "is it running", True),
        (exceptions.TimeoutError("Timeout reading"), "in time", True),
        (TimeoutError(), "in time", True),
        (ConnectionResetError(), "cannot be reached", True),
        (exceptions.ResponseError("ERR odd"), "it answered 'ERR odd'", False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_went_wrong_is_told(error: Exception, told: str, again: bool) -> None:
    assert may_pass(error) is again
    found = explain(PLACE, error)
    assert isinstance(found, UnansweredError) is again
    with pytest.raises(type(found), match=told):
        raise found
    assert "hidden" not in str(found)
