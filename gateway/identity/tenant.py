"""Who is calling: from request headers to an identity, or a refusal.

Rules of this file:
- A key that claims to be ours (`ptc_...`) is valid or the call ends: it never counts as somebody's
  provider key, and never as no key.
- Every header that may carry a key is read, repeats included, so that a second value cannot
  slip past the first.
- What a caller may not assert is refused, not dropped: a call that is counted for the wrong user
  is worse than one that fails with a sentence.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from gateway.config.policy_file import PolicyFile
from gateway.errors import CallerError
from gateway.exchange import Identity
from gateway.identity.gateway_key import PREFIX, bare, hash_of, id_of, is_gateway_key
from gateway.identity.mac import mac
from gateway.identity.task_outcomes import OUTCOMES
from gateway.message import Headers
from gateway.verdict import Reason

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
"""Headers that carry a caller's key; `api-key` is Azure OpenAI's."""

ASSERTABLE = ("user", "task", "feature", "outcome")
"""What a caller may say of itself and of its session, each in its header `x-portcullis-<name>`."""

LONGEST_ASSERTION = 256

_ASSERTION_HEADERS = {f"x-portcullis-{name}": name for name in ASSERTABLE}
_ASSERTIONS = frozenset(_ASSERTION_HEADERS)
_VERIFIED = frozenset({"tenant", "agent"})
_VERIFIED_TENANT = frozenset({"tenant"})


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A key that the policy knows. `expires` in unix seconds, None: never."""

    tenant: str
    name: str
    hash: str
    agent: str = ""
    may_assert: frozenset[str] = frozenset()
    expires: float | None = None


class KeyRing:
    """The keys of one policy snapshot, by hash."""

    __slots__ = ("_by_hash",)

    def __init__(self, keys: Iterable[GatewayKey] = ()) -> None:
        self._by_hash: Mapping[str, GatewayKey] = {key.hash: key for key in keys}

    @classmethod
    def build(cls, policy: PolicyFile) -> Self:
        """The ring of all keys of all tenants of a policy file."""
        return cls(
            GatewayKey(
                tenant=tenant,
                name=key.name,
                hash=key.hash,
                agent=key.agent or "",
                may_assert=frozenset(key.may_assert),
                expires=key.expires.timestamp() if key.expires is not None else None,
            )
            for tenant, model in policy.tenants.items()
            for key in model.keys
        )

    def __len__(self) -> int:
        return len(self._by_hash)

    def find(self, key: str) -> GatewayKey | None:
        """The key whose hash this is.

        What the lookup's time could tell is a matter of the hash, which nobody can choose
        towards a stored one; the stored hash itself is compared in constant time.
        """
        hashed = hash_of(key)
        known = self._by_hash.get(hashed)
        if known is None or not hmac.compare_digest(known.hash, hashed):
            return None
        return known


def identify(
    headers: Headers,
    ring: KeyRing,
    default_tenant: str | None,
    now: float,
    digest_key: bytes,
    in_query: Sequence[str] = (),
) -> Identity:
    """Who sent these headers.

    Args:
        default_tenant: who a caller without a gateway key is; None refuses such callers.
        now: unix seconds, for expiry.
        digest_key: keys the digest under which a caller's own provider key is known.
        in_query: keys that stand in the query (`identity/query_key.py`).

    Raises:
        CallerError: 401 for a bad, expired or missing key; 400 for an assertion that the key
            may not make, or whose value cannot be one.
    """
    ours, theirs = _credentials(headers, in_query)
    identity = Identity()
    if theirs:
        identity.credential = _credential(digest_key, *theirs)
    if not ours:
        if not default_tenant:
            raise _unauthorized(
                Reason.KEY_MISSING,
                "This gateway asks for a key of its own: send it as 'Authorization: Bearer"
                " ptc_...', 'x-api-key', 'x-goog-api-key' or 'api-key'.",
            )
        identity.tenant = default_tenant
        _assertions(headers, identity, frozenset())
        return identity
    key = _valid(ours, ring, now)
    identity.tenant = key.tenant
    identity.agent = key.agent
    identity.key_name = key.name
    identity.key_id = id_of(ours[0])
    identity.verified = _VERIFIED if key.agent else _VERIFIED_TENANT
    _assertions(headers, identity, key.may_assert)
    return identity


def is_stripped(name: str, value: str, *, upstream_has_credential: bool) -> bool:
    """Whether a caller's header must not go upstream, because of the key in it.

    A gateway key never does. A provider key does where the upstream has no credential of its
    own. `name` in lower case.
    """
    if name not in CREDENTIAL_HEADERS:
        return False
    return upstream_has_credential or is_gateway_key(value)


def _credentials(headers: Headers, in_query: Sequence[str]) -> tuple[list[str], list[str]]:
    """The caller's gateway keys, and its other credentials."""
    ours: list[str] = []
    theirs: list[str] = []
    given = [value for _, value in headers.all(CREDENTIAL_HEADERS)]
    for value in (*given, *in_query):
        credential = bare(value)
        if credential.startswith(PREFIX):
            if credential not in ours:
                ours.append(credential)
        elif credential and credential not in theirs:
            theirs.append(credential)
    theirs.sort()
    return ours, theirs


@functools.lru_cache(maxsize=1024)
def _credential(key: bytes, *credentials: str) -> str:
    """The keyed digest; a caller sends the same credential with every call."""
    return mac(key, "credential", *credentials)


def _valid(keys: list[str], ring: KeyRing, now: float) -> GatewayKey:
    if len(keys) > 1:
        raise _unauthorized(Reason.KEY_INVALID, "This call carries two different gateway keys.")
    key = ring.find(keys[0])
    if key is None:
        raise _unauthorized(
            Reason.KEY_INVALID,
            "This gateway does not know the key (ptc_...) of this call. Ask its operator for one.",
        )
    if key.expires is not None and now >= key.expires:
        raise _unauthorized(
            Reason.KEY_EXPIRED,
            f"The gateway key {key.name!r} has expired. Ask the gateway's operator for a new one.",
        )
    return key


def _assertions(headers: Headers, identity: Identity, may_assert: frozenset[str]) -> None:
    if not headers.has_any(_ASSERTIONS):
        return
    for header, name in _ASSERTION_HEADERS.items():
        value = headers.get(header).strip()
        if not value:
            continue
        if name not in may_assert:
            named = identity.key_name
            who = f"the key {named!r}" if named else "a caller without a gateway key"
            raise CallerError(
                Reason.ASSERTION_DENIED,
                f"{header}: {who} may not say what the {name} is. Leave the header out, or use a"
                f" key whose may_assert lists {name}.",
            )
        # Unprintable takes in control characters, lone surrogates and text-direction marks.
        if len(value) > LONGEST_ASSERTION or not value.isprintable():
            raise CallerError(
                Reason.ASSERTION_DENIED,
                f"{header}: expected at most {LONGEST_ASSERTION} printable characters.",
            )
        if name == "outcome" and value not in OUTCOMES:
            expected = ", ".join(OUTCOMES)
            raise CallerError(Reason.ASSERTION_DENIED, f"{header}: expected one of {expected}.")
        setattr(identity, name, value)


def _unauthorized(reason: Reason, message: str) -> CallerError:
    return CallerError(reason, message, status=401)
