"""Secrets and certificates by file: read with the policy, handed on with it, kept nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import attached
from gateway.config.load import load, load_sources, load_texts, read_sources
from gateway.config.versions import Versions, fingerprint
from gateway.errors import ConfigError
from gateway.tls import Pems
from tests.certificates import Authority

POLICY = """\
version: 1
upstreams:
  notes: {provider: http, url: "https://notes.example", credential: "${file:secrets/key}"}
tenants: {local: {policies: [base]}}
default_tenant: local
policies: {base: {rules: [{kind: patterns, deny: ["$${file:none}"], action: block}]}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    write(tmp_path / "secrets" / "key", b"hunter2\n")
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy.yaml"


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def credential(path: Path) -> str:
    upstream = load(path, {}).file.upstreams["notes"]
    assert upstream.credential is not None
    return upstream.credential.get_secret_value()


def problem(policy: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(policy, {})
    (told,) = caught.value.problems
    return told


def test_a_secret_is_read_beside_its_policy_without_the_last_line_break(policy: Path) -> None:
    assert credential(policy) == "hunter2"


@given(st.text(min_size=1).filter(lambda text: not text.endswith(("\n", "\r"))))
def test_only_one_line_break_is_taken_off(text: str) -> None:
    for end in ("", "\n", "\r\n"):
        assert attached.secret_of((text + end).encode()) == text
    assert attached.secret_of((text + "\n\n").encode()) == text + "\n"


def test_an_absolute_path_is_taken_as_it_is(policy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, b"other")
    policy.write_text(POLICY.replace("secrets/key", str(elsewhere)))
    assert credential(policy) == "other"


def test_the_secret_is_in_no_version_and_in_no_digest(policy: Path, tmp_path: Path) -> None:
    loaded, source = load(policy, {}), read_sources(policy)
    assert b"hunter2" in b"".join(loaded.text_files.values())
    assert b"hunter2" not in b"".join(source.values())
    assert "hunter2" not in repr(loaded)
    Versions(tmp_path / "state").serve(loaded.digest, source, source, 0.0)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*.json"))
    assert b"hunter2" not in kept
    write(policy.parent / "secrets" / "key", b"hunter3")
    assert load(policy, {}).digest == loaded.digest
    assert fingerprint(read_sources(policy)) == fingerprint(source)
    assert attached.read_attached(source) != attached.split(loaded.text_files)[1]


def test_a_worker_needs_no_file(policy: Path) -> None:
    handed = load(policy, {}).text_files
    (policy.parent / "secrets" / "key").unlink()
    upstream = load_texts(handed, {}).file.upstreams["notes"]
    assert upstream.credential is not None
    assert upstream.credential.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"\xff\xfe", "this is not UTF-8 text"),
        (b"x" * (64 * 1024 + 1), "it is larger than 65536 bytes"),
    ],
)
def test_what_is_no_secret_is_told_with_its_place(policy: Path, content: bytes, said: str) -> None:
    path = policy.parent / "secrets" / "key"
    write(path, content)
    assert problem(policy) == f"{policy}:3: {path} cannot be used: {said}"


def test_a_file_that_is_not_there_a_folder_and_a_pipe_are_told(policy: Path) -> None:
    path = policy.parent / "secrets" / "key"
    path.unlink()
    assert problem(policy).endswith("key cannot be used: No such file or directory")
    path.mkdir()
    assert problem(policy).endswith("key cannot be used: it is no plain file")
    path.rmdir()
    os.mkfifo(path)
    assert problem(policy).endswith("key cannot be used: it is no plain file")


def test_who_else_can_read_a_secret_is_a_warning(policy: Path) -> None:
    def warned() -> bool:
        return any("secrets/key: every user" in line for line in load(policy, {}).warnings)

    assert not warned()
    (policy.parent / "secrets" / "key").chmod(0o644)
    assert warned()


def test_a_credential_that_would_break_a_header_is_refused_and_not_shown(policy: Path) -> None:
    write(policy.parent / "secrets" / "key", b"hunter2\n\n")
    assert "line break" in problem(policy)
    assert "hunter2" not in problem(policy)


def test_recognizers_may_have_expressions_that_look_alike(policy: Path) -> None:
    text = policy.read_text().replace(
        "rules: [",
        "rules: [{kind: pii, action: flag, recognizers: [{name: R, supported_entity: E, "
        "patterns: [{name: p, regex: '${file:none}', score: 0.5}]}]}, ",
    )
    policy.write_text(text)
    assert [each.path for each in attached.references(read_sources(policy))] == [
        str(policy.parent / "secrets" / "key")
    ]


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = " ".join(f"${{file:{number}}}" for number in range(attached.MOST_FILES + 1))
    text = POLICY.replace("${file:secrets/key}", many)
    with pytest.raises(ConfigError, match="more than 1000 files"):
        load_sources({"p.yaml": text.encode()}, {})


def test_each_file_is_read_once_and_under_its_sort(tmp_path: Path) -> None:
    text = POLICY.replace('"${file:secrets/key}"', '"${file:a} ${file:a}", ca: a, cert: b, key: c')
    found = attached.references({f"{tmp_path}/p.yaml": text.encode()})
    assert {each.name for each in found} == {
        f"secret:{tmp_path}/a",
        f"certificate:{tmp_path}/a",
        f"certificate:{tmp_path}/b",
        f"private-key:{tmp_path}/c",
    }
    assert {each.mark for each in found} == {(f"{tmp_path}/p.yaml", 3)}


def test_certificates_of_an_upstream_are_read_and_checked(policy: Path) -> None:
    ours, folder = Authority(), policy.parent
    cert, key = ours.issue().write(folder)
    (folder / "ca.crt").write_bytes(ours.pem)
    tls = 'example", ca: ca.crt, cert: tls.crt, key: tls.key, credential'
    policy.write_text(POLICY.replace('example", credential', tls))
    loaded = load(policy, {})
    assert loaded.pems == {"notes": Pems(ours.pem, cert.read_bytes(), key.read_bytes())}
    assert load_texts(loaded.text_files, {}).pems == loaded.pems
    key.write_bytes(ours.issue().key)
    assert problem(policy) == f"{policy}:3: key: it does not belong to the certificate"
    key.write_bytes(b"")
    assert problem(policy) == f"{policy}:3: {key} cannot be used: it is empty"
    key.chmod(0o644)
    key.write_bytes(cert.read_bytes())
    assert problem(policy) == f"{policy}:3: key: there is no private key in PEM form in it"


def test_certificates_that_were_not_read_with_the_policy_are_told() -> None:
    text = POLICY.replace('"${file:secrets/key}"', "none, ca: /run/ca.crt")
    with pytest.raises(ConfigError, match=r"/run/ca\.crt was not read"):
        load_texts({"p.yaml": text.encode()}, {})
