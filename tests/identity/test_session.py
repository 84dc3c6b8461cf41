"""Which session a call belongs to, and that nobody joins another's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Call
from gateway.exchange import Identity
from gateway.identity import session
from gateway.message import Headers
from gateway.testing import make_call

KEY = b"k" * 32
UUID = "0198c2f1-7a3e-7c44-9d5e-0123456789ab"


def claimed(
    *headers: tuple[str, str], call: Call | None = None, cache_keys: bool = False
) -> tuple[str, str]:
    return session.claimed(Headers(headers), call, cache_keys=cache_keys)


def talk(*texts: tuple[str, str], model: str = "gpt-4o-mini") -> Call:
    """A chat whose segments stand in messages, as a dialect places them."""
    call = make_call(texts, model=model)
    for number, segment in enumerate(call.segments):
        segment.place = f"messages[{number}].content"
    return call


def test_the_first_name_that_is_present_counts() -> None:
    call = talk(("user", "hi"))
    call.user_id = json.dumps({"device_id": "d", "session_id": "from-user-id"})
    call.previous_id = "resp_1"
    call.cache_key = "cache"
    names = [
        ("x-session-id", "a"),
        ("x-claude-code-session-id", "b"),
        ("session-id", "c"),
        ("thread-id", "d"),
        ("mcp-session-id", "e"),
    ]
    for cut in range(4):
        assert claimed(*names[cut:], call=call) == names[cut]
    assert claimed(*names[4:], call=call) == ("metadata.user_id", "from-user-id")
    call.user_id = ""
    assert claimed(*names[4:], call=call) == ("previous_response_id", "resp_1")
    call.previous_id = ""
    assert claimed(*names[4:], call=call) == ("mcp-session-id", "e")
    assert claimed(call=call, cache_keys=True) == ("prompt_cache_key", "cache")
    assert claimed(call=call)[0] == "derived"


def test_an_empty_name_is_none() -> None:
    assert claimed(("x-session-id", " "), ("thread-id", "t")) == ("thread-id", "t")


def test_claude_codes_older_user_id_is_read() -> None:
    call = talk(("user", "hi"))
    call.user_id = f"user_0123_account_{UUID}_session_{UUID}"
    assert claimed(call=call) == ("metadata.user_id", UUID)


@pytest.mark.parametrize(
    "user_id", ["", "alice", '{"session_id": 5}', '{"session_id"', "a_session_", "[session_id]"]
)
def test_a_user_id_without_a_session_names_none(user_id: str) -> None:
    call = talk(("user", "hi"))
    call.user_id = user_id
    assert claimed(call=call)[0] == "derived"


@given(st.text(max_size=200))
def test_any_user_id_can_be_read(text: str) -> None:
    call = talk(("user", "hi"))
    call.user_id = "session" + text
    claimed(call=call)
    call.user_id = '{"session_id":' + text
    claimed(call=call)


@pytest.mark.parametrize(
    ("headers", "key", "source"),
    [
        ([("user-agent", "codex_cli_rs/0.80")], UUID, "prompt_cache_key"),
        ([("originator", "codex_exec")], UUID, "prompt_cache_key"),
        ([("x-codex-turn-metadata", "{}")], UUID, "prompt_cache_key"),
        ([("user-agent", "codex_cli_rs/0.80")], "shared-by-all", "derived"),
        ([("user-agent", "OpenAI/Python")], UUID, "derived"),
    ],
)
def test_codexs_cache_key_is_recognised(
    headers: list[tuple[str, str]], key: str, source: str
) -> None:
    call = talk(("user", "hi"))
    call.cache_key = key
    assert claimed(*headers, call=call)[0] == source


def test_a_conversation_that_the_provider_keeps_is_a_session() -> None:
    call = make_call([("user", "hi")])
    call.document.root["conversation"] = {"id": "conv_1"}
    assert claimed(call=call) == ("conversation", "conv_1")
    call.document.root["conversation"] = "conv_2"
    assert claimed(call=call) == ("conversation", "conv_2")


def test_a_growing_history_keeps_its_session() -> None:
    start = [("system", "You are a bot. It is 12:01."), ("user", "Fix the test.")]
    later = [
        ("system", "You are a bot. It is 12:07."),
        ("user", "Fix the test."),
        ("assistant", "Which?"),
        ("user", "All."),
        ("system", "Be brief."),
    ]
    assert claimed(call=talk(*start)) == claimed(call=talk(*later, model="gpt-4o"))


def test_another_opening_is_another_session() -> None:
    one = claimed(call=talk(("system", "A"), ("user", "hi")))
    assert one != claimed(call=talk(("system", "B"), ("user", "hi")))
    assert one != claimed(call=talk(("system", "A"), ("user", "hi there")))
    assert one != claimed(call=talk(("system", "Ahi"), ("user", "")))


def test_all_parts_of_the_first_message_count() -> None:
    def call(task: str) -> Call:
        made = make_call([("user", "The same reminder."), ("user", task), ("user", "later")])
        places = ["messages[0].content[0].text", "messages[0].content[1].text", "messages[2]"]
        for segment, place in zip(made.segments, places, strict=True):
            segment.place = place
        return made

    assert claimed(call=call("task 1")) != claimed(call=call("task 2"))


def test_a_system_prompt_counts_wherever_the_body_has_it() -> None:
    def call(system: str) -> Call:
        made = talk(("user", "hi"), ("assistant", "yes"), ("system", system))
        made.segments[2].place = "system[0].text"
        return made

    assert claimed(call=call("A")) != claimed(call=call("B"))


def test_calls_without_a_conversation_share_one_session_of_their_caller() -> None:
    call = make_call([("user", "embed this")])
    call.operation = "embeddings"
    assert claimed(call=call) == claimed() == ("derived", "")


def test_nobody_joins_anothers_session_by_its_id() -> None:
    people = [
        Identity(tenant="a", key_id="k1", user="u"),
        Identity(tenant="b", key_id="k1", user="u"),
        Identity(tenant="a", key_id="k2", user="u"),
        Identity(tenant="a", key_id="k1", user="v"),
        Identity(tenant="a", credential="k2x", user="u"),
    ]
    keys = {session.session_key(KEY, who, "x-session-id", "s") for who in people}
    assert len(keys) == len(people)
    assert session.session_key(KEY, people[0], "thread-id", "s") not in keys
    assert session.session_key(b"x" * 32, people[0], "x-session-id", "s") not in keys
    assert len({session.answer_key(KEY, who, "resp_1") for who in people}) == len(people)


def test_the_key_does_not_show_the_callers_id() -> None:
    key = session.session_key(KEY, Identity(tenant="a"), "x-session-id", "secret-name")
    assert "secret" not in key
    assert len(key) == 34


def test_a_rotated_provider_key_beside_a_gateway_key_changes_nothing() -> None:
    one = Identity(tenant="a", key_id="k", credential="token1")
    two = Identity(tenant="a", key_id="k", credential="token2")
    assert session.session_key(KEY, one, "x", "s") == session.session_key(KEY, two, "x", "s")
