"""Documents travel with the policy: read beside it, carried along, never taken for a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import documents
from gateway.config.load import load, load_texts, read_sources
from gateway.config.versions import Versions, fingerprint
from gateway.errors import ConfigError

POLICY = """\
version: 1
upstreams:
  notes: {provider: http, url: "https://notes.example", openapi: api/notes.yaml}
tenants: {local: {policies: [base]}}
default_tenant: local
policies: {base: {rules: []}}
"""
API = """\
openapi: 3.1.0
paths:
  /notes/{id}: {get: {operationId: get_note}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "notes.yaml").write_text(API)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy.yaml"


def test_a_document_is_read_beside_its_policy_and_carried_with_it(policy: Path) -> None:
    texts = read_sources(policy)
    path = str(policy.parent / "api" / "notes.yaml")
    assert texts == {str(policy): POLICY.encode(), f"openapi:{path}": API.encode()}
    (policy.parent / "api" / "notes.yaml").unlink()  # nobody reads it again
    loaded = load_texts(texts, {})
    assert [tool.name for tool in loaded.tools["notes"].tools] == ["get_note"]
    assert loaded.text_files == texts


def test_a_document_in_the_policys_own_folder_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POLICY.replace("api/notes.yaml", "./notes.yaml"))
    (tmp_path / "notes.yaml").write_text(API)
    assert len(load(tmp_path, {}).tools["notes"].tools) == 1
    assert set(read_sources(tmp_path)) == {
        str(tmp_path / "a.yaml"),
        f"openapi:{tmp_path / 'notes.yaml'}",
    }


def test_what_changes_in_a_document_changes_the_policys_digest_and_is_noticed(policy: Path) -> None:
    before, seen = load(policy, {}).digest, fingerprint(read_sources(policy))
    api = policy.parent / "api" / "notes.yaml"
    api.write_text(API + "# a comment\n")
    assert load(policy, {}).digest == before  # what it says is the same
    assert fingerprint(read_sources(policy)) != seen
    api.write_text(API.replace("get_note", "read_note"))
    assert load(policy, {}).digest != before


def test_a_kept_version_has_its_documents(policy: Path, tmp_path: Path) -> None:
    versions = Versions(tmp_path / "state")
    texts = read_sources(policy)
    digest = load_texts(texts, {}).digest
    versions.serve(digest, texts, texts, 1.0)
    versions.pin(digest)
    pinned, held = versions.choose(texts)
    assert held == digest
    assert load_texts(pinned, {}).digest == digest
    api = policy.parent / "api" / "notes.yaml"
    api.write_text(API.replace("get_note", "read_note"))
    chosen, held = versions.choose(read_sources(policy))
    assert held == ""  # the operator has changed something: that counts
    assert b"read_note" in chosen[f"openapi:{api}"]


def test_a_document_that_cannot_be_read_is_told_with_its_line(policy: Path) -> None:
    api = policy.parent / "api" / "notes.yaml"
    api.write_bytes(b"#" * (documents.MOST_BYTES + 1))
    with pytest.raises(ConfigError, match=r"policy.yaml:3: .*notes.yaml: larger than"):
        read_sources(policy)
    api.unlink()
    with pytest.raises(ConfigError, match=r"policy.yaml:3: .*notes.yaml cannot be read: No such"):
        read_sources(policy)


def test_a_document_that_was_not_carried_is_told() -> None:
    with pytest.raises(ConfigError, match=r"p.yaml:3: openapi: api/notes.yaml was not read"):
        load_texts({"p.yaml": POLICY.encode()}, {})


@pytest.mark.parametrize("written", ["${API}", "", '"a\\nb"'])
def test_what_is_no_path_is_told_and_not_opened(tmp_path: Path, written: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        POLICY.replace("api/notes.yaml", f'"{written}"' if '"' not in written else written)
    )
    assert set(read_sources(path)) == {str(path)}
    with pytest.raises(ConfigError, match="openapi: expected a file beside the policy"):
        load_texts(read_sources(path), {"API": "${x"})


@pytest.mark.parametrize(
    "text",
    ["upstreams: [openapi]", "openapi: 3", "upstreams: {a: openapi}", "\xff: openapi", ": ["],
)
def test_files_that_are_no_policy_refer_to_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    assert set(read_sources(path)) == {str(path)}


def test_texts_are_told_apart() -> None:
    assert documents.split({"a.yaml": b"1", "openapi:b.yaml": b"2"}) == (
        {"a.yaml": b"1"},
        {"b.yaml": b"2"},
    )
    assert documents.path_of("folder/policy.yaml", "../api.json") == "api.json"
    assert documents.path_of("folder/policy.yaml", "/etc/api.json") == "/etc/api.json"
