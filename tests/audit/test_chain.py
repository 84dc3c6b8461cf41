"""The line format: pinned by a golden file, sealed with what RFC 2104 says."""

import hashlib
import hmac
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.chain import NO_HASH, SEAL_BYTES, Seal, moment, read_line
from tests.audit.logbook import GOLDEN, KEY, NOON, golden_head, golden_lines
from tests.structure.house import DOCS


def frame(**more):
    return {
        "v": 1,
        "chain": "c",
        "seq": 0,
        "prev": NO_HASH,
        "type": "t",
        "time": moment(NOON),
        **more,
    }


def test_golden_chain_is_what_this_version_writes():
    assert GOLDEN.read_bytes() == b"".join(golden_lines())


def test_head_of_the_golden_chain_is_its_last_hash():
    last = json.loads(GOLDEN.read_bytes().splitlines()[-1])
    assert golden_head().hash == last["hash"]


def test_line_can_be_checked_with_nothing_but_hashlib_and_hmac():
    line, hashed = Seal(KEY).line(frame(text="Grüße"))
    body = line[: -SEAL_BYTES - 1] + b"}"
    assert hashlib.sha256(body).hexdigest() == hashed
    assert json.loads(line)["hash"] == hashed
    mac = hmac.new(KEY, bytes.fromhex(hashed), "sha256").hexdigest()
    assert json.loads(line)["mac"] == mac
    assert line.endswith(f',"hash":"{hashed}","mac":"{mac}"}}\n'.encode())


def test_line_can_be_checked_with_the_shell_as_the_docs_say(tmp_path):
    page = (DOCS / "audit.md").read_text()
    commands = next(block for block in page.split("```")[1::2] if "sha256sum" in block)
    shutil.copy(GOLDEN, tmp_path)
    done = subprocess.run(
        ["bash", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == json.loads(GOLDEN.read_bytes().splitlines()[3])["hash"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(payload=st.dictionaries(st.text(), json_values, max_size=6))
def test_every_payload_makes_one_line_that_reads_back_sound(payload):
    seal = Seal(KEY)
    line, hashed = seal.line({**payload, **frame()})
    assert line.count(b"\n") == 1
    read = read_line(line[:-1])
    assert read is not None
    assert read.computed == read.hash == hashed
    assert read.mac == seal.mac(hashed)


def test_lone_surrogate_in_a_name_does_not_lose_the_record():
    line, _ = Seal(KEY).line(frame(name="\ud800", big=2**70))
    assert b"\\\\ud800" in line
    assert read_line(line[:-1]) is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"not a record",
        b"x" * 400,
        b"{" * 400,
        golden_lines()[0][:-2],
        golden_lines()[0][:-1].replace(b'"mac"', b'"MAC"'),
        golden_lines()[0][:-1].replace(b'"seq":0', b'"seq":"0"'),
        golden_lines()[0][:-3].upper() + b'"}',
    ],
)
def test_what_is_no_line_is_said_to_be_none(raw):
    assert read_line(raw) is None


def test_key_id_tells_keys_apart_and_gives_nothing_away():
    assert Seal(KEY).key_id != Seal(KEY[::-1]).key_id
    assert KEY.hex()[:8] not in Seal(KEY).key_id


def test_head_mac_covers_chain_number_and_hash():
    seal = Seal(KEY)
    macs = {
        seal.head_mac("a", 1, NO_HASH),
        seal.head_mac("b", 1, NO_HASH),
        seal.head_mac("a", 2, NO_HASH),
        seal.head_mac("a", 1, "1" * 64),
        Seal(KEY[::-1]).head_mac("a", 1, NO_HASH),
    }
    assert len(macs) == 5
