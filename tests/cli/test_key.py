"""`portcullis key new`: a key that works, and a line that the policy file takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from gateway.cli.main import main
from gateway.config.policy_file import AdminToken, Key
from gateway.identity.gateway_key import hash_of, id_of


def new(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    """The key, and the YAML that was printed with it."""
    assert main(["key", "new", *arguments]) == 0
    first, _, rest = capsys.readouterr().out.partition("\n")
    return first, yaml.safe_load(rest)


def test_a_new_key_and_its_line_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    key, document = new(
        capsys,
        *("--name", "support-bot", "--tenant", "acme", "--agent", "support"),
        *("--may-assert", "user,task", "--expires", "90d"),
    )
    assert id_of(key)
    (entry,) = document["tenants"]["acme"]["keys"]
    model = Key.model_validate(entry)
    assert model.hash == hash_of(key)
    assert (model.name, model.agent, model.may_assert) == (
        "support-bot",
        "support",
        ("user", "task"),
    )
    assert model.expires is not None
    left = model.expires - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


def test_the_key_itself_stands_in_no_line_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "--name", "a"]) == 0
    out = capsys.readouterr().out
    key = out.partition("\n")[0]
    assert out.count(key) == 1


@pytest.mark.parametrize("name", ["on", "1e3", "0x10", "2026-01-01", "a.b", "null", "x-1", "007"])
def test_any_name_that_the_file_takes_stays_text(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    _, document = new(capsys, "--name", name, "--tenant", name, "--agent", name)
    (entry,) = document["tenants"][name]["keys"]
    assert (entry["name"], entry["agent"]) == (name, name)


def test_an_admin_token_has_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    key, document = new(capsys, "--name", "ops", "--admin-role", "approver")
    (entry,) = document["admin"]["tokens"]
    token = AdminToken.model_validate(entry)
    assert (token.name, token.role, token.hash) == ("ops", "approver", hash_of(key))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "two words"),
        ("--name", "a", "--tenant", "b/c"),
        ("--name", "a", "--agent", "ä"),
        ("--name", "a", "--admin-role", "viewer", "--agent", "x"),
    ],
)
def test_what_the_file_would_refuse_is_refused_here(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(["key", "new", *arguments]) == 2
    printed = capsys.readouterr()
    assert "ptc_" not in printed.out
    assert printed.err.startswith("portcullis key new: ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--name", "a", "--expires", "soon"),
        ("--name", "a", "--expires", "99999999d"),
        ("--name", "a", "--may-assert", "tenant"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["key", "new", *arguments])
    assert caught.value.code == 2
