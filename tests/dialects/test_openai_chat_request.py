"""Chat requests: every text on its surface, nothing unseen, and writing where the API wants it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import StepKind, Surface
from gateway.dialects.jsondoc import parse_object
from gateway.dialects.openai_chat_request import PER_IMAGE, PER_REQUEST, ChatCall
from gateway.errors import CallerError
from tests.dialects.transcripts import exchanges


def call(path: str = "", **fields: Any) -> ChatCall:
    body = {"model": "gpt-4o-mini", "messages": [], **fields}
    return ChatCall(parse_object(orjson.dumps(body)), path)


def sent(made: ChatCall) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(made.encode())
    return body


def seen(made: ChatCall) -> list[tuple[str, str]]:
    return [(segment.surface.value, segment.text) for segment in made.segments]


TOOL_TURN = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
            },
            {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a.txt"}]},
]


def test_recorded_requests_leave_as_they_came() -> None:
    for row in exchanges("openai_chat"):
        body = row["request"].encode()
        made = ChatCall(parse_object(body), row["path"])
        assert made.encode() == body
        assert made.model


def test_the_bound_is_never_below_what_the_provider_counted() -> None:
    for row in exchanges("openai_chat"):
        made = ChatCall(parse_object(row["request"].encode()))
        if row["status"] == 200 and not row["stream"]:
            counted = orjson.loads(row["response"])["usage"]["prompt_tokens"]
            assert made.input_bound() == -1 or made.input_bound() >= counted


def test_each_role_has_its_surface() -> None:
    roles = ["system", "developer", "user", "assistant", "tool", "function", "stranger"]
    made = call(messages=[{"role": role, "content": role} for role in roles])
    assert seen(made) == [
        ("system", "system"),
        ("system", "developer"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool_result", "tool"),
        ("tool_result", "function"),
        ("user", "stranger"),
    ]
    assert made.segments[2].place == "messages[2].content"


def test_parts_are_read_and_what_cannot_be_is_named() -> None:
    made = call(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look", "x_note": "extra"},
                    {"type": "image_url", "image_url": {"url": "https://pics.example/a.png"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                    {"type": "file", "file": {"filename": "cv.pdf", "file_id": "file-1"}},
                    {"type": "hologram", "beam": {"caption": "hello"}},
                    "a bare string",
                ],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]
    )
    texts = [text for _, text in seen(made)]
    for text in ("look", "extra", "https://pics.example/a.png", "cv.pdf", "hello", "no"):
        assert text in texts
    assert "a bare string" in texts
    assert not any("base64" in text for text in texts)
    assert [u.what for u in made.unscannable] == ["image", "image", "audio", "file", "file", "body"]
    assert made.unscannable[0].place == "messages[0].content[1]"


def test_tool_calls_results_and_steps() -> None:
    made = call(messages=TOOL_TURN)
    assert ("tool_call", "Oslo") in seen(made)
    assert ("tool_call", "ls -l") in seen(made)
    assert ("tool_result", "a.txt") in seen(made)
    human, model, first, second = made.steps
    assert (human.kind, model.kind) == (StepKind.HUMAN, StepKind.MODEL)
    assert [(c.id, c.name, c.arguments) for c in model.calls] == [
        ("c1", "weather", '{"city":"Oslo"}'),
        ("c2", "shell", "ls -l"),
    ]
    assert (first.kind, first.call_id, first.text) == (StepKind.RESULT, "c1", "rain")
    assert (second.call_id, second.text, second.is_error) == ("c2", "a.txt", None)


def test_the_older_function_call_is_a_tool_call() -> None:
    made = call(
        messages=[
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": '{"a":"x"}'},
            },
            {"role": "function", "name": "f", "content": "done"},
        ]
    )
    assert made.steps[0].calls[0].name == "f"
    assert made.steps[0].calls[0].id == made.steps[1].call_id == "f"
    assert ("tool_call", "x") in seen(made)


def test_assistant_messages_in_a_row_are_one_step() -> None:
    made = call(messages=[{"role": "assistant", "content": "a"}] * 2)
    assert [step.kind for step in made.steps] == [StepKind.MODEL]


def test_fresh_is_what_came_after_the_last_answer() -> None:
    made = call(messages=TOOL_TURN, user="u1", tools=[{"type": "function", "function": {}}])
    assert [s.text for s in made.segments if s.fresh] == ["rain", "a.txt"]
    first = call(messages=TOOL_TURN[:2], user="u1")
    assert all(segment.fresh for segment in first.segments)


def test_a_beginning_of_the_answer_is_no_answer() -> None:
    made = call(
        messages=[{"role": "user", "content": "q"}, {"role": "assistant", "content": "Sure"}]
    )
    assert all(segment.fresh for segment in made.segments)


def test_a_change_in_arguments_reaches_the_body_and_nothing_else_changes() -> None:
    made = call(messages=TOOL_TURN)
    next(s for s in made.segments if s.text == "Oslo").replace("[x]")
    expected = {"model": "gpt-4o-mini", "messages": orjson.loads(orjson.dumps(TOOL_TURN))}
    expected["messages"][2]["tool_calls"][0]["function"]["arguments"] = '{"city":"[x]"}'
    assert sent(made) == expected


def test_fields_of_compatible_servers_and_unknown_ones_are_read() -> None:
    made = call(
        messages=[
            {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "because",
                "reasoning_details": [{"type": "reasoning.encrypted", "data": "zzz"}],
                "x_memo": "memo",
            },
            {"role": "user", "content": "q", "name": "ann@example.org"},
        ],
        stop=["END"],
        metadata={"ticket": "T-1"},
        user="u@example.org",
        future={"deep": ["text"]},
        prediction={"type": "content", "content": "draft"},
    )
    found = seen(made)
    assert ("reasoning", "because") in found
    for text in ("memo", "ann@example.org", "END", "T-1", "u@example.org", "text", "draft"):
        assert text in [each for _, each in found]
    assert [u.what for u in made.unscannable] == ["encrypted"]
    assert next(s for s in made.segments if s.text == "zzz").readonly
    assert not next(s for s in made.segments if s.text == "because").readonly


def test_a_name_stays_within_the_api_alphabet() -> None:
    made = call(messages=[{"role": "user", "content": "q", "name": "ann@example.org"}])
    next(s for s in made.segments if "@" in s.text).replace("[removed by Portcullis: pii]")
    assert sent(made)["messages"][0]["name"] == "_removed_by_Portcullis_pii_"


def test_an_earlier_spoken_answer_is_history_that_the_provider_keeps() -> None:
    made = call(messages=[{"role": "assistant", "audio": {"id": "audio_1"}}])
    assert [u.what for u in made.unscannable] == ["history"]
    assert made.input_bound() == -1


@pytest.mark.parametrize("messages", ["hello", {"role": "user"}, ["hello"], [None]])
def test_messages_that_are_none_are_refused(messages: Any) -> None:
    with pytest.raises(CallerError):
        call(messages=messages)


@pytest.mark.parametrize("role", [None, [], {}, 7])
def test_a_strange_role_is_still_read(role: Any) -> None:
    assert ("user", "x") in seen(call(messages=[{"role": role, "content": "x"}]))


@pytest.mark.parametrize("content", [{"text": "x"}, ["x"], [["x"]], [{"type": [], "text": "x"}]])
def test_content_of_a_strange_shape_is_still_read(content: Any) -> None:
    assert ("user", "x") in seen(call(messages=[{"role": "user", "content": content}]))


def test_plain_fields() -> None:
    made = call(
        model="o3", stream=True, n=3, max_tokens=5, max_completion_tokens=7, prompt_cache_key="k"
    )
    assert (made.model, made.stream, made.choices, made.max_output) == ("o3", True, 3, 7)
    assert made.cache_key == "k"
    assert call(user="a").user_id == "a"
    assert call(safety_identifier="b").user_id == "b"
    assert call(user="a", metadata={"user_id": "c"}).user_id == "c"


def test_azure_names_the_model_in_its_path() -> None:
    made = call("/openai/deployments/my-gpt/chat/completions", model=None)
    assert made.model == "my-gpt"


def test_a_deployment_in_the_path_answers_whatever_model_the_body_names() -> None:
    made = call("/openai/deployments/dear%2Done/chat/completions", model="cheap")
    assert made.model == "dear-one"
    made.force_field("seed", 1)
    assert made.model == "dear-one"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "gpt-4o"}, {"max_tokens": 9}),
        ({"model": "gpt-5-nano"}, {"max_completion_tokens": 9}),
        ({"model": "openai/o3-mini"}, {"max_completion_tokens": 9}),
        ({"model": "llama3"}, {"max_tokens": 9}),
        ({"model": "llama3", "n_predict": 99}, {"max_tokens": 9, "n_predict": 9}),
        ({"model": "o3", "max_tokens": 99}, {"max_tokens": 9}),
        (
            {"max_tokens": 99, "max_completion_tokens": 50},
            {"max_tokens": 9, "max_completion_tokens": 9},
        ),
    ],
)
def test_an_output_cap_goes_where_the_model_takes_it(
    fields: dict[str, Any], expected: dict[str, int]
) -> None:
    made = call(**fields)
    made.set_max_output(9)
    body = sent(made)
    caps = ("max_", "n_predict")
    assert {key: value for key, value in body.items() if key.startswith(caps)} == expected
    assert made.max_output == 9


def test_a_forced_field_is_written_only_where_it_differs() -> None:
    made = call(store=False)
    made.force_field("store", False)
    assert not made.document.changed
    made.force_field("model", "gpt-4o")
    assert (made.model, made.get_field("model"), sent(made)["model"]) == ("gpt-4o",) * 3
    assert made.get_field("absent") is None


def test_usage_is_asked_for_where_the_caller_did_not() -> None:
    made = call(stream=True, stream_options={"include_obfuscation": False})
    made.ask_usage()
    assert made.hide_usage
    assert sent(made)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    for other in (call(stream=True, stream_options={"include_usage": True}), call(stream=False)):
        other.ask_usage()
        assert not other.hide_usage
        assert not other.document.changed


def test_pictures_count_by_allowance_not_by_their_bytes() -> None:
    data = "data:image/png;base64," + "A" * 100_000
    part = {"type": "image_url", "image_url": {"url": data}}
    made = call(messages=[{"role": "user", "content": [part]}])
    assert PER_IMAGE + PER_REQUEST < made.input_bound() < PER_IMAGE + PER_REQUEST + 300
    assert made.input_estimate() < 2000


def test_the_bound_follows_a_body_that_grew() -> None:
    made = call(messages=[{"role": "user", "content": "a"}])
    before = made.input_bound()
    made.segments[0].replace("a" * 500)
    assert made.input_bound() >= before + 499


def test_removed_tools_leave_body_segments_and_list() -> None:
    made = call(
        tools=[
            {"type": "function", "function": {"name": name, "description": f"about {name}"}}
            for name in ("a", "b")
        ]
    )
    made.remove_tools(frozenset({"a"}))
    assert [tool.name for tool in made.tools] == ["b"]
    assert [s.text for s in made.segments if s.surface is Surface.TOOL_DEFINITION] == [
        "b",
        "about b",
    ]
    assert [t["function"]["name"] for t in sent(made)["tools"]] == ["b"]


WORDS = st.sampled_from(
    "text content refusal image_url url input_audio file filename function arguments custom input "
    "tool_calls function_call name reasoning_content reasoning audio type kind x thinking "
    "video_url annotations".split()
)
KINDS = st.sampled_from(
    ["text", "refusal", "image_url", "input_audio", "file", "video_url", "thinking", "new", "MARK"]
)
LEAVES = st.sampled_from(["MARK", "MARK", '{"a":"MARK"}', "", None, 7, True, "data:x;base64,MARK"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(WORDS, inner, max_size=4),
        st.tuples(KINDS, st.dictionaries(WORDS, inner, max_size=3)).map(
            lambda pair: {"type": pair[0], **pair[1]}
        ),
    ),
    max_leaves=8,
)


def is_marked(node: Any) -> bool:
    if isinstance(node, dict):
        return any(is_marked(value) for value in node.values())
    return any(map(is_marked, node)) if isinstance(node, list) else "MARK" in str(node)


@given(
    st.sampled_from(["system", "user", "assistant", "tool", "other"]),
    st.dictionaries(WORDS, TREES, max_size=4),
)
def test_no_shape_of_a_message_passes_unseen(role: str, fields: dict[str, Any]) -> None:
    """Text anywhere in a message is a segment, or what holds it is named as unscannable."""
    ids = {"type", "name"}  # of functions and parts: words that the tool rules and readers know
    for key, value in fields.items():
        made = call(messages=[{"role": role, key: value}])
        assert orjson.loads(made.encode()) == orjson.loads(made.document.raw)
        found = any("MARK" in segment.text for segment in made.segments)
        if is_marked(value) and key not in ids and not found and not made.unscannable:
            assert only_under(value, ids), (key, value)
        for segment in made.segments:
            segment.replace("seen")
        parse_object(made.encode())


def only_under(node: Any, names: set[str]) -> bool:
    """Whether every mark lies under one of the names."""
    if isinstance(node, dict):
        return all(key in names or only_under(value, names) for key, value in node.items())
    if isinstance(node, list):
        return all(only_under(value, names) for value in node)
    return "MARK" not in str(node)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 10, "n_predict": 5}, 10),
        ({"max_tokens": 10, "n_predict": 50}, 50),
        ({"max_tokens": 10, "n_predict": -1}, None),
        ({"n_predict": 5}, None),
    ],
)
def test_a_server_s_own_cap_does_not_lift_the_one_that_rules_know(
    fields: dict[str, Any], limit: int | None
) -> None:
    assert call(**fields).max_output == limit


@pytest.mark.parametrize(("asked", "choices"), [(3, 3), ("3", 3), (3.0, 3), (0, 1), (None, 1)])
def test_answers_are_counted_as_a_lenient_server_would(asked: Any, choices: int) -> None:
    assert call(n=asked).choices == choices
