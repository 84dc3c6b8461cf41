"""Loading: all problems at once with their lines, folders as one file, secrets out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.load import MOST_BYTES, load, load_texts, read_sources
from gateway.errors import ConfigError

SMALL = b"""\
version: 1
upstreams:
  openai: {provider: openai, url: "https://api.openai.com"}
tenants:
  local: {policies: [base]}
default_tenant: local
policies:
  base:
    rules:
      - {kind: tools, deny: [rm]}
      - id: short
        kind: model
        max_output: 8k
"""


def problems_of(*texts: bytes, **variables: str) -> list[str]:
    named = {f"{chr(97 + n)}.yaml": text for n, text in enumerate(texts)}
    with pytest.raises(ConfigError) as caught:
        load_texts(named, variables)
    return caught.value.problems


def test_a_file_is_loaded_with_the_lines_of_its_rules() -> None:
    loaded = load_texts({"p.yaml": SMALL}, {})
    assert loaded.sources == {"base/tools": "p.yaml:10", "base/short": "p.yaml:11"}
    assert loaded.text_files == {"p.yaml": SMALL}
    assert loaded.warnings == []
    assert loaded.file.default_tenant == "local"


def test_all_problems_are_told_at_once_in_the_order_of_the_lines() -> None:
    text = SMALL.replace(b"[base]", b"[bas]").replace(b"deny", b"deni").replace(b"8k", b"8q")
    text = text.replace(b"default_tenant: local", b"default_tenant: loca")
    lines = problems_of(text + b"versoin: 1\npolicies: {}\n")
    assert [line.split(": ")[0] for line in lines] == [
        f"a.yaml:{n}" for n in (5, 6, 10, 13, 14, 15)
    ]


@pytest.mark.parametrize("text", [b"", b"# only a comment", b"[1]", b"text", b"null"])
def test_what_is_no_policy_at_all_is_a_problem(text: bytes) -> None:
    assert "expected keys with values" in problems_of(text)[0]


# --- folders ---


def test_a_folder_is_one_policy(tmp_path: Path) -> None:
    head, _, policies = SMALL.partition(b"policies:\n  base")
    (tmp_path / "a.yaml").write_bytes(head)
    (tmp_path / "b.yml").write_bytes(b"version: 1\npolicies:\n  base" + policies)
    (tmp_path / "c.yaml").write_bytes(b"policies:\n  more: {rules: []}\n")
    (tmp_path / ".hidden.yaml").write_bytes(b"nonsense")
    (tmp_path / "notes.txt").write_bytes(b"nonsense")
    loaded = load(tmp_path, {})
    assert set(loaded.file.policies) == {"base", "more"}
    assert loaded.sources["base/tools"] == f"{tmp_path / 'b.yml'}:5"
    assert loaded.warnings == [f"{tmp_path / 'c.yaml'}:2: policy 'more' is used by no tenant"]


def test_the_same_key_in_two_files_is_a_problem_that_names_both() -> None:
    other = b"default_tenant: local\npolicies:\n  base: {rules: []}\nversion: 2\n"
    assert problems_of(SMALL, other) == [
        "b.yaml:1: default_tenant is also in a.yaml:6",
        "b.yaml:3: policies.base is also in a.yaml:8",
        "b.yaml:4: version is also in a.yaml:1",
    ]


def test_how_a_policy_is_split_and_written_does_not_change_its_digest() -> None:
    whole = load_texts({"p": SMALL}, {}).digest
    head, _, policies = SMALL.partition(b"policies:\n  base")
    parts = {"b": b"# comment\npolicies:\n  base" + policies, "c": head}
    assert load_texts(parts, {}).digest == whole
    assert load_texts({"p": SMALL.replace(b"8k", b"9k")}, {}).digest != whole
    assert whole.startswith("sha256:")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml", {})
    with pytest.raises(ConfigError, match=r"no \.yaml file"):
        load(tmp_path, {})
    (tmp_path / "big.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        read_sources(tmp_path)


# --- the environment ---

URL = b"https://api.openai.com"


def test_an_unset_variable_is_a_problem_with_its_line() -> None:
    assert problems_of(SMALL.replace(URL, b"https://${HOST}")) == [
        "a.yaml:3: the environment variable HOST is not set"
    ]


def test_an_unset_credential_is_no_credential_and_a_warning() -> None:
    text = SMALL.replace(b'com"}', b'com", credential: "${OPENAI_API_KEY}"}')
    loaded = load_texts({"p": text}, {"OPENAI_API_KEY": ""})
    assert loaded.file.upstreams["openai"].credential is None
    assert loaded.warnings == ["p:3: OPENAI_API_KEY is not set: 'openai' has no credential"]


def test_the_digest_is_over_references_not_over_what_they_stand_for() -> None:
    text = SMALL.replace(b'com"}', b'com", credential: "${KEY}"}')
    one, other = (load_texts({"p": text}, {"KEY": key}) for key in ("sk-one", "sk-other"))
    assert one.digest == other.digest


def test_a_reference_that_names_nothing_is_a_problem() -> None:
    assert "names no variable" in problems_of(SMALL.replace(b"[rm]", b'["${jndi:}"]'))[0]


SECRET = "hunter2-and-a-long-tail-that-is-cut-in-messages"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"8k", b"${S}"),
        (b"8k", b'"x ${S}"'),
        (b"[rm]", b"${S}"),
        (b"kind: tools", b"kind: ${S}"),
        (b"default_tenant: local", b"default_tenant: ${S}"),
        (b"[base]", b"[base, '${S}']"),
        (URL, b"${S}"),
        (b"provider: openai", b"provider: ${S}"),
        (b"id: short", b"id: 'a ${S}'"),
        (b"[rm]", b"[rm], when: {tenant: ['${S}'], model: ['[${S}']}"),
    ],
)
def test_a_value_from_the_environment_is_in_no_problem(old: bytes, new: bytes) -> None:
    lines = problems_of(SMALL.replace(old, new), S=SECRET)
    assert SECRET[:7] not in "\n".join(lines)


def test_a_secret_written_in_plain_is_in_no_output() -> None:
    loaded = load_texts({"p": SMALL.replace(b'com"}', b'com", credential: sk-hunter2}')}, {})
    assert "hunter2" not in repr(loaded)


# --- whatever is written ---


def outcome(text: bytes) -> list[str]:
    """What is said of a text; nothing but a ConfigError may come of loading it."""
    try:
        return load_texts({"f": text}, {}).warnings
    except ConfigError as error:
        return error.problems or ["a ConfigError that names no problem"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
SECTIONS = st.sampled_from(
    ["version", "upstreams", "tenants", "policies", "sessions", "listener", "limits", "admin"]
)


@given(st.dictionaries(SECTIONS | st.text(max_size=5), JSON))
@settings(max_examples=150)
def test_any_document_loads_or_has_problems(document: dict[str, object]) -> None:
    import json

    text = json.dumps(document).encode()
    assert all(line.startswith("f:") for line in outcome(text))


@given(st.data())
@settings(max_examples=150)
def test_any_damage_to_a_good_file_loads_or_has_problems(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SMALL)))
    until = data.draw(st.integers(at, min(len(SMALL), at + 40)))
    put = data.draw(st.sampled_from([b"", b"[", b"{a: 1}", b"- ", b"~", b"${X}", b"&a *a", b":"]))
    outcome(SMALL[:at] + put + SMALL[until:])
