"""`portcullis audit`: the exit codes, where it looks for heads and keys, and what it prints."""

import asyncio
import base64
import json
import shutil
import time

import pytest

from gateway.audit.chain import Seal
from gateway.audit.heads import StoreHeads
from gateway.audit.record import make_digest
from gateway.audit.writer import AuditWriter
from gateway.cli.main import main
from gateway.config.keys import derive
from gateway.state.sqlite import SqliteStore
from gateway.testing import make_exchange
from gateway.verdict import Action, Reason, RuleRef, Verdict

MASTER = bytes(range(32))
FOUND = Verdict(
    Action.BLOCK,
    Reason.SECRET_FOUND,
    RuleRef("starter", "secrets", "secrets"),
    "found an AWS access key in the user message",
    surface="user",
    place="messages[0].content",
    entities={"AWS_ACCESS_KEY": 1},
)


async def write(folder, state, master, run):
    store = SqliteStore(state, time.time)
    await store.open()
    key = derive(master, "audit")
    writer = AuditWriter(
        folder,
        key,
        StoreHeads(store, Seal(key), str(folder.resolve())),
        digest=make_digest(derive(master, "digest")),
        name="worker-0",
        state=f"sqlite:///{state}",
    )
    await writer.start({"policy": "sha256:0"})
    for number in range(3):
        exchange = make_exchange()
        exchange.id = f"ptx_{run}{number}"
        if number == 2:
            exchange.status, exchange.outcome = 400, "refused"
            exchange.verdicts = [FOUND]
        else:
            writer.open(exchange)
            exchange.status, exchange.outcome = 200, "answered"
        writer.close(exchange)
    head = writer.head_line()["head"]
    await writer.stop()
    await store.close()
    return head


class Place:
    """A state folder with a log in it; the environment that `portcullis` runs in points there."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.audit = folder / "portcullis" / "audit"
        self.state = folder / "portcullis" / "state.db"
        self.key = folder / "portcullis" / "master.key"
        self.audit.parent.mkdir(parents=True)
        self.set_key(MASTER)
        monkeypatch.setattr("gateway.config.settings.IMAGE_FOLDER", folder / "nowhere")
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))
        for name in ("STATE", "AUDIT", "MASTER_KEY_FILE"):
            monkeypatch.delenv(f"PORTCULLIS_{name}", raising=False)

    def set_key(self, master):
        self.key.write_bytes(base64.b64encode(master))

    def write(self, run="a", *, state=None, master=MASTER):
        return asyncio.run(write(self.audit, state or self.state, master, run))

    @property
    def log(self):
        return sorted(self.audit.glob("*.jsonl"))[-1]


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


def test_untouched_log_is_exit_0(place, capsys):
    place.write()
    assert main(["audit", "verify"]) == 0
    assert f"{place.audit}: unchanged. 8 records, 3 exchanges." in capsys.readouterr().out


def test_edited_record_is_exit_1_and_named(place, capsys):
    place.write()
    place.log.write_bytes(place.log.read_bytes().replace(b'"status":400', b'"status":200'))
    assert main(["audit", "verify"]) == 1
    out = capsys.readouterr().out
    assert "TAMPERED WITH" in out
    assert f"edited: {place.log.name}:7 (record 6): this record was edited" in out


def test_cut_tail_is_exit_1(place, capsys):
    place.write()
    lines = place.log.read_bytes().splitlines(keepends=True)
    place.log.write_bytes(b"".join(lines[:-2]))
    assert main(["audit", "verify"]) == 1
    assert "2 more had been written, as the state store knows" in capsys.readouterr().out


def test_deleted_log_is_exit_1(place, capsys):
    place.write()
    place.log.unlink()
    assert main(["audit", "verify"]) == 1
    assert "records of this chain are gone" in capsys.readouterr().out


def test_log_that_was_never_there_is_exit_2(place, capsys):
    assert main(["audit", "verify"]) == 2
    assert "No such file" in capsys.readouterr().out


def test_missing_key_is_exit_2(place, capsys):
    place.write()
    place.key.unlink()
    assert main(["audit", "verify"]) == 2
    assert "master key" in capsys.readouterr().err


def test_missing_state_is_exit_2(place, capsys):
    place.write()
    place.state.unlink()
    assert main(["audit", "verify"]) == 2
    assert "a cut tail would not show" in capsys.readouterr().out


def test_state_is_found_where_the_log_says(place, tmp_path):
    elsewhere = tmp_path / "elsewhere.db"
    place.write(state=elsewhere)
    assert main(["audit", "verify"]) == 0
    assert main(["audit", "verify", "--state", f"sqlite:///{elsewhere}"]) == 0
    assert main(["audit", "verify", "--state", f"sqlite:///{place.state}"]) == 2


def test_copy_of_a_log_can_be_checked_with_the_same_state(place, tmp_path):
    place.write()
    shutil.copytree(place.audit, tmp_path / "copy")
    assert main(["audit", "verify", "--audit", str(tmp_path / "copy")]) == 0


def test_log_of_an_older_key_needs_that_key(place, tmp_path):
    place.write("a", master=b"o" * 32)
    place.write("b")
    assert main(["audit", "verify"]) == 2
    old = tmp_path / "old.key"
    old.write_bytes(b"o" * 32)
    assert main(["audit", "verify", "--master-key", str(old)]) == 0


def test_head_from_the_gateways_log_shows_a_rewrite_of_log_and_state(place, tmp_path, capsys):
    head = place.write("a")
    shutil.rmtree(place.audit)
    place.state.unlink()
    place.write("b")
    assert main(["audit", "verify"]) == 0
    assert main(["audit", "verify", "--head", head]) == 1
    assert "the head that was given knows of them" in capsys.readouterr().out


def test_head_that_is_none_is_exit_2(place, capsys):
    place.write()
    assert main(["audit", "verify", "--head", "nonsense"]) == 2
    assert "CHAIN:NUMBER:HASH" in capsys.readouterr().err


def test_verify_as_json(place, capsys):
    place.write()
    assert main(["audit", "verify", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "ok"
    assert told["chains"][0]["exchanges"] == 3


def test_killed_process_shows_what_it_left_open(place, capsys):
    place.write()
    lines = place.log.read_bytes().splitlines(keepends=True)
    opened = next(i for i, line in enumerate(lines) if b'"opened"' in line)
    place.log.write_bytes(b"".join(lines[: opened + 1]))
    place.state.unlink()
    main(["audit", "verify"])
    out = capsys.readouterr().out
    assert "never closed: ptx_a0" in out
    assert "was killed, with 1 exchange open" in out


def test_show_last_tells_what_happened(place, capsys):
    place.write()
    assert main(["audit", "show", "--last"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ptx_a2  ")
    assert "refused, nothing was sent to the provider" in out
    assert "block: rule starter/secrets found an AWS access key in the user message" in out


def test_show_id_finds_an_exchange_by_how_its_id_begins(place, capsys):
    place.write("a")
    place.write("b")
    assert main(["audit", "show", "--id", "ptx_a1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "ptx_a1"
    assert main(["audit", "show", "--id", "ptx_c"]) == 1
    assert "ptx_c" in capsys.readouterr().err


def test_show_lists_the_last_ones_in_order(place, capsys):
    place.write("a")
    place.write("b")
    assert main(["audit", "show", "-n", "4"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[2] for row in rows] == ["ptx_a2", "ptx_b0", "ptx_b1", "ptx_b2"]
    assert main(["audit", "show"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_show_of_nothing(place, capsys):
    assert main(["audit", "show"]) == 2
    place.audit.mkdir()
    assert main(["audit", "show"]) == 1
    assert "no exchange yet" in capsys.readouterr().err


def test_bad_state_setting_is_exit_2(place, capsys):
    assert main(["audit", "verify", "--state", "nonsense://"]) == 2
    assert "--state" in capsys.readouterr().err
