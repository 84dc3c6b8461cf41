"""Settings of `serve`: flags before variables before defaults, all problems at once."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from gateway.config import settings
from gateway.config.packaged import starter_policy
from gateway.config.settings import Address, TlsFiles, UnixSocket, add_settings, read_settings
from gateway.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "IMAGE_FOLDER", tmp_path / "no such folder")


def test_defaults_are_those_of_the_design() -> None:
    read = read_settings({}, {"XDG_STATE_HOME": "/state"})
    assert str(read.listen) == "127.0.0.1:8484"
    assert str(read.probes) == "127.0.0.1:9484"
    assert str(read.admin) == "127.0.0.1:9485"
    assert read.policies == starter_policy()
    assert read.state == "sqlite:////state/portcullis/state.db"
    assert read.audit == Path("/state/portcullis/audit")
    assert read.master_key == Path("/state/portcullis/master.key")
    assert read.workers == 1
    assert not read.allow_anonymous


def test_a_flag_wins_over_its_variable() -> None:
    parser = ArgumentParser()
    add_settings(parser)
    given = vars(parser.parse_args(["--listen", "[::1]:80", "--allow-anonymous"]))
    read = read_settings(given, {"PORTCULLIS_LISTEN": "a:1", "PORTCULLIS_WORKERS": "4"})
    assert read.listen == Address("::1", 80)
    assert str(read.listen) == "[::1]:80"
    assert read.workers == 4
    assert read.allow_anonymous


def test_admin_may_be_a_socket_or_off() -> None:
    assert read_settings({"admin": "off"}, {}).admin is None
    assert read_settings({"admin": "unix:/run/p.sock"}, {}).admin == UnixSocket(Path("/run/p.sock"))


def test_all_problems_are_named_as_they_were_given() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(
            {"listen": "8484", "workers": "0", "state": "redis://:hunter2@ho st"},
            {"PORTCULLIS_PROBES": "x:99999", "PORTCULLIS_ALLOW_ANONYMOUS": "maybe"},
        )
    text = str(caught.value)
    for name in ("--listen", "--workers", "--state", "PORTCULLIS_PROBES", "_ALLOW_ANONYMOUS"):
        assert name in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url", ["redis://:pw@host", "rediss+sentinel://a,b:1/main", "redis+cluster://a,b", "memory://"]
)
def test_state_may_be_shared(url: str) -> None:
    assert read_settings({"state": url}, {}).state == url


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("gateway.internal", False),
    ],
)
def test_what_counts_as_loopback(host: str, loopback: bool) -> None:
    assert Address(host, 1).loopback is loopback


def test_the_state_folder_is_the_images_where_it_may_be_written_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.state_folder({"XDG_STATE_HOME": "not/absolute"}).parts[-3:] == (
        ".local",
        "state",
        "portcullis",
    )
    monkeypatch.setattr(settings, "IMAGE_FOLDER", tmp_path)
    assert settings.state_folder({"XDG_STATE_HOME": "/state"}) == tmp_path


def test_the_master_key_may_lie_elsewhere() -> None:
    assert read_settings({}, {"PORTCULLIS_MASTER_KEY_FILE": "/k"}).master_key == Path("/k")


def test_tls_takes_a_certificate_and_its_key() -> None:
    assert read_settings({}, {}).tls is None
    variables = {"PORTCULLIS_TLS_CERT": "/run/tls.crt", "PORTCULLIS_TLS_CLIENT_CA": "/run/ca.crt"}
    tls = read_settings({"tls_key": "/run/tls.key"}, variables).tls
    assert tls == TlsFiles(Path("/run/tls.crt"), Path("/run/tls.key"), Path("/run/ca.crt"))
    assert list(tls.parts()) == ["cert", "key", "ca"]
    with pytest.raises(ConfigError) as caught:
        read_settings({}, variables)
    assert caught.value.problems == [
        "PORTCULLIS_TLS_CERT: TLS needs both --tls-cert and --tls-key",
        "PORTCULLIS_TLS_CLIENT_CA: TLS needs both --tls-cert and --tls-key",
    ]


def test_the_audit_log_goes_to_a_folder_a_stream_or_both() -> None:
    read = read_settings({"audit": "/logs"}, {"PORTCULLIS_AUDIT_COPY": "otlp, stdout,otlp"})
    assert (read.audit, read.audit_sink, read.audit_copies) == (
        Path("/logs"),
        "",
        ("otlp", "stdout"),
    )
    read = read_settings({"audit": "stdout:"}, {})
    assert (read.audit.name, read.audit_sink, read.audit_copies) == ("audit", "stdout", ())
    assert read_settings({"audit": "stdout"}, {}).audit == Path("stdout")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"audit_copy": "syslog"}, "--audit-copy: there is stdout, otlp, and no 'syslog'"),
        (
            {"audit": "otlp:", "audit_copy": "otlp"},
            "--audit-copy: the audit log itself goes to otlp already",
        ),
    ],
)
def test_a_copy_that_cannot_be_made_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(given, {})
    assert caught.value.problems == [said]
