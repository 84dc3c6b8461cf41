"""What a Redis's failures mean for the operator: words that say what to do.

Redis puts a code before its errors. Inside a script old servers wrap it, so it is looked for in
the whole text (https://redis.io/docs/latest/develop/reference/protocol-spec/, simple errors).
"""

from __future__ import annotations

from redis import exceptions

from gateway.state.redis_url import Place
from gateway.state.store import StoreError

_SAID = {
    "NOAUTH": "it asks for a password: put it into PORTCULLIS_REDIS_PASSWORD",
    "WRONGPASS": "it refuses the user or the password: check PORTCULLIS_REDIS_USERNAME, "
    "PORTCULLIS_REDIS_PASSWORD and the URL",
    "Authentication required": "it asks for a password: put it into PORTCULLIS_REDIS_PASSWORD",
    "invalid username-password pair": "it refuses the user or the password: check "
    "PORTCULLIS_REDIS_USERNAME, PORTCULLIS_REDIS_PASSWORD and the URL",
    "invalid password": "it refuses the password: check PORTCULLIS_REDIS_PASSWORD and the URL",
    "without any password": "it has no password, and one was given: take it out of the URL and "
    "the environment",
    "NOPERM": "its user may not do what the gateway does: docs/state.md has the ACL rule for it",
    "No permissions": "its user may not do what the gateway does: docs/state.md has the ACL rule "
    "for it",
    "OOM ": "it has no memory left (maxmemory): give it more; nothing was counted",
    "READONLY": "it is a read-only replica: name the primary, or use redis+sentinel://",
    "MISCONF": "it takes no writes because it cannot save to its disk: look at its log and disk",
    "NOREPLICAS": "it takes no writes while it has too few replicas (min-replicas-to-write)",
    "LOADING": "it is still loading its data",
    "BUSY ": "it is busy with somebody's long script",
    "MASTERDOWN": "its primary is down",
    "CLUSTERDOWN": "the cluster is down: some of its slots are served by nobody",
    "cluster support disabled": "it is no cluster: write redis:// instead of redis+cluster://",
    "Cluster mode is not enabled": "it is no cluster: write redis:// instead of redis+cluster://",
    "MOVED": "it is part of a cluster: write redis+cluster:// instead of redis://",
    "No master found": "Sentinel knows no primary that works for this service",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not one that is trusted: name its CA with "
    "?ca=FILE, and the host as its certificate does",
    "PORTCULLIS": "its keys of this namespace are not what this version writes: use another one",
}
"""What an error holds -> what it means. In this order."""

_CODES: dict[type[BaseException], str] = {
    exceptions.OutOfMemoryError: "OOM ",
    exceptions.ReadOnlyError: "READONLY ",
    exceptions.NoPermissionError: "NOPERM ",
    exceptions.BusyLoadingError: "LOADING ",
    exceptions.MasterDownError: "MASTERDOWN ",
    exceptions.ClusterDownError: "CLUSTERDOWN ",
    exceptions.MovedError: "MOVED ",
}
"""What redis-py makes of a code, which it takes off the message."""


FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""What a client may raise; not all of them are `RedisError`."""


class UnansweredError(StoreError):
    """No answer came in time: it is not known whether the call was carried out."""


def explain(place: Place, error: BaseException) -> StoreError:
    """What the operator should know and do. Never holds a password or a value."""
    text = f"{_CODES.get(type(error), '')}{error} {error.__cause__ or ''}"
    for sign, meaning in _SAID.items():
        if sign in text:
            kind = UnansweredError if may_pass(error) else StoreError
            return kind(f"{place}: {meaning}")
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return UnansweredError(f"{place}: it did not answer in time")
    if isinstance(error, OSError | exceptions.ConnectionError | exceptions.RedisClusterException):
        return UnansweredError(
            f"{place}: it cannot be reached: is it running, and is the address right?"
        )
    return StoreError(f"{place}: it answered {str(error)[:200]!r}")


def may_pass(error: BaseException) -> bool:
    """Whether the same may work a moment later: a lost connection, a failover, a start."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "Cluster mode is not" in str(error):
        return False
    return isinstance(
        error,
        OSError  # TimeoutError is one
        | exceptions.ConnectionError
        | exceptions.TimeoutError
        | exceptions.ClusterDownError
        | exceptions.TryAgainError
        | exceptions.ReadOnlyError
        | exceptions.RedisClusterException,
    )
