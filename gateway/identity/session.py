"""Which session a call belongs to: the first name that the call gives, else its opening.

Rules of this file:
- Pure: a call and a key in, names out. What must be remembered is in `session_book.py`.
- A session's key is an HMAC over tenant, credential, user, source and id: who does not hold the
  same credential under the same tenant cannot make it, whatever id they send.
- A derived session must come out the same for every resend of a growing history, so it is made
  only of what does not change while a conversation grows.
"""

from __future__ import annotations

import hashlib
import re

import orjson

from gateway.dialects.base import Call, Surface
from gateway.exchange import Identity
from gateway.identity.mac import mac
from gateway.message import Headers

PREVIOUS = "previous_response_id"
CONVERSATION = "conversation"
USER_ID = "metadata.user_id"
CACHE_KEY = "prompt_cache_key"
DERIVED = "derived"

_FIRST_HEADERS = ("x-session-id", "x-claude-code-session-id", "session-id", "thread-id")
_MCP = "mcp-session-id"
_HEADERS = frozenset({*_FIRST_HEADERS, _MCP})
_LONGEST_USER_ID = 4096
# Claude Code up to 1.0: "user_<hash>_account_<uuid>_session_<uuid>".
_OLD_USER_ID = re.compile(r"_session_([0-9A-Za-z-]{8,64})\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGITS = b"0123456789"


def claimed(headers: Headers, call: Call | None, *, cache_keys: bool = False) -> tuple[str, str]:
    """What names this call's session: (source, id), the first that is present.

    Args:
        call: None where the request has no body that a dialect read.
        cache_keys: the policy takes `prompt_cache_key` as a session's name.

    Returns:
        `source` is a header's or field's name, or `derived`. For `previous_response_id` the
        id is an answer's, which the book must still follow to its session.
    """
    named = headers.has_any(_HEADERS)
    if named:
        for header in _FIRST_HEADERS:
            if value := headers.get(header).strip():
                return header, value
    if call is not None:
        if call.user_id and (value := _session_of_user_id(call.user_id)):
            return USER_ID, value
        if call.previous_id:
            return PREVIOUS, call.previous_id
        if value := _conversation(call):
            return CONVERSATION, value
    if named and (value := headers.get(_MCP).strip()):
        return _MCP, value
    if call is None:
        return DERIVED, ""
    if call.cache_key and (cache_keys or _is_codex(headers, call)):
        return CACHE_KEY, call.cache_key
    return DERIVED, opening(call)


def session_key(key: bytes, identity: Identity, source: str, name: str) -> str:
    """The session's key: `s_` and 32 hex digits of the HMAC."""
    principal = identity.key_id or identity.credential
    return "s_" + mac(key, "session", identity.tenant, principal, identity.user, source, name)


def answer_key(key: bytes, identity: Identity, answer_id: str) -> str:
    """Under which name an answer's session is remembered: only its own caller can look it up."""
    principal = identity.key_id or identity.credential
    return "answer:" + mac(key, "answer", identity.tenant, principal, identity.user, answer_id)


def opening(call: Call) -> str:
    """A digest of how the conversation begins: its system prompt and first user message.

    Digits of the system prompt are left out, since agents write the time into it; the model and
    the tools are left out too, since agents change them on the way. "" where there is
    no conversation (embeddings, a body that no dialect reads): such calls of one caller share
    one session.
    """
    if call.operation not in ("chat", "count_tokens"):
        return ""
    system: list[str] = []
    message: list[str] = []
    first = messages = ""
    for segment in call.segments:
        if segment.surface is Surface.SYSTEM:
            # A system message in the midst of the conversation is no part of its opening.
            if not first or segment.place.partition("[")[0] != messages:
                system.append(segment.text)
        elif segment.surface is Surface.USER:
            if not first:
                # `messages[0].content[2].text` and `messages[0].content[3].text`: one message.
                place, ends, _ = segment.place.partition("]")
                first, messages = place + ends, place.partition("[")[0]
            if segment.place.startswith(first):
                message.append(segment.text)
    if not first:
        return ""
    prompt = _bytes(system).translate(None, _DIGITS)
    begins = hashlib.blake2b(b"%d:" % len(prompt), digest_size=20)
    begins.update(prompt)
    begins.update(_bytes(message))
    return begins.hexdigest()


def _bytes(texts: list[str]) -> bytes:
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def _session_of_user_id(user_id: str) -> str:
    """The session inside `metadata.user_id`, as Claude Code writes it, "" without one."""
    if "session" not in user_id or len(user_id) > _LONGEST_USER_ID:
        return ""
    if user_id.startswith("{"):
        try:
            session = orjson.loads(user_id).get("session_id")
        except orjson.JSONDecodeError:
            return ""
        return session if isinstance(session, str) else ""
    found = _OLD_USER_ID.search(user_id)
    return found[1] if found else ""


def _conversation(call: Call) -> str:
    """The id of a conversation that the provider keeps (Responses: a string, or {id: ...})."""
    value = call.get_field("conversation")
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def _is_codex(headers: Headers, call: Call) -> bool:
    """Whether a `prompt_cache_key` is Codex's, which is the id of its session.

    Others put the same key into many sessions, to share the provider's cache.
    """
    if _UUID.fullmatch(call.cache_key) is None:
        return False
    sender = headers.get("originator") or headers.get("user-agent")
    return sender.lower().startswith("codex") or "x-codex-turn-metadata" in headers
