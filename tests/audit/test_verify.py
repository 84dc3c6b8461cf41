"""What `verify` finds: every named mutation of the golden chain, and every single byte."""

import fcntl
import hashlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.chain import NO_HASH, SEAL_BYTES, VERSION, Head, Seal, moment
from gateway.audit.findings import State, Trouble
from gateway.audit.verify import Anchor, verify
from tests.audit.logbook import (
    GOLDEN,
    GOLDEN_CHAIN,
    KEY,
    NOON,
    OTHER_KEY,
    golden_head,
    golden_lines,
    hash_of,
)

SEAL = Seal(KEY)
HEAD = Anchor(golden_head(), "the state store")


def check(folder, lines, *, anchors=(HEAD,), seals=(SEAL,), **more):
    data = b"".join(lines) if isinstance(lines, list) else lines
    (folder / GOLDEN.name).write_bytes(data)
    return verify(folder, list(seals), list(anchors), **more)


def troubles(report):
    return [(problem.trouble, problem.line) for problem in report.problems]


def sealed(record, key=KEY):
    """A line with the key, for what only somebody who has the key could write."""
    return Seal(key).line(record)


def test_untouched_chain_is_ok(tmp_path):
    report = check(tmp_path, golden_lines())
    assert report.state is State.OK
    assert report.exit_code == 0
    chain = report.chains[0]
    assert (chain.records, chain.exchanges, chain.head) == (8, 2, HEAD.head)
    assert not chain.unfinished
    assert not chain.notes


# --- mutations, each with what must be said of it ---


def edited(lines):
    lines[3] = lines[3].replace(b'"status":200', b'"status":201')


def edited_and_hashed_again(lines):
    body = lines[3].replace(b'"status":200', b'"status":201')
    at = len(body) - SEAL_BYTES - 1
    new = hashlib.sha256(body[:at] + b"}").hexdigest().encode()
    lines[3] = body[: at + 9] + new + body[at + 73 :]


def deleted(lines):
    del lines[3]


def two_deleted(lines):
    del lines[2:4]


def inserted_copy(lines):
    lines.insert(4, lines[3])


def swapped(lines):
    lines[3], lines[4] = lines[4], lines[3]


def first_deleted(lines):
    del lines[0]


def tail_cut(lines):
    del lines[-2:]


def tail_cut_in_a_line(lines):
    lines[-1] = lines[-1][:-30]


def newline_taken_off(lines):
    lines[-1] = lines[-1][:-1]


def text_inserted(lines):
    lines.insert(4, b"hello\n")


def text_appended(lines):
    lines.append(b"hello")


def blank_line(lines):
    lines.insert(2, b"\n")


def lines_joined(lines):
    lines[2] = lines[2][:-1]


def record_of_another_chain(lines):
    record = frame(4, GOLDEN_CHAIN.replace("0000aa", "0000ab"))
    lines.insert(4, sealed(record)[0])


MUTATIONS = [
    (edited, [(Trouble.EDITED, 4)]),
    (edited_and_hashed_again, [(Trouble.FORGED, 4)]),
    (deleted, [(Trouble.MISSING, 4)]),
    (two_deleted, [(Trouble.MISSING, 3)]),
    (inserted_copy, [(Trouble.DUPLICATE, 5)]),
    (swapped, [(Trouble.MISSING, 4), (Trouble.REORDERED, 5)]),
    (first_deleted, [(Trouble.NO_GENESIS, 1)]),
    (tail_cut, [(Trouble.CUT, 6)]),
    (tail_cut_in_a_line, [(Trouble.CUT, 8)]),
    (newline_taken_off, [(Trouble.CUT, 8)]),
    (text_inserted, [(Trouble.NOT_A_RECORD, 5)]),
    (text_appended, [(Trouble.NOT_A_RECORD, 9)]),
    (blank_line, [(Trouble.NOT_A_RECORD, 3)]),
    (lines_joined, [(Trouble.NOT_A_RECORD, 3), (Trouble.MISSING, 4)]),
    (record_of_another_chain, [(Trouble.FOREIGN, 5)]),
]


@pytest.mark.parametrize(
    ("mutate", "expected"), MUTATIONS, ids=lambda v: getattr(v, "__name__", "")
)
def test_mutation_is_found_and_placed(tmp_path, mutate, expected):
    lines = golden_lines()
    mutate(lines)
    report = check(tmp_path, lines)
    assert report.state is State.TAMPERED
    assert report.exit_code == 1
    assert troubles(report) == expected


def frame(seq, chain=GOLDEN_CHAIN, prev=NO_HASH, kind="closed"):
    return {
        "v": VERSION,
        "chain": chain,
        "seq": seq,
        "prev": prev,
        "type": kind,
        "time": moment(NOON),
    }


def test_fork_by_a_second_writer_is_found(tmp_path):
    lines = golden_lines()
    fork, _ = sealed(frame(4, prev=hash_of(lines[3])))
    report = check(tmp_path, [*lines[:5], fork, *lines[5:]])
    assert troubles(report) == [(Trouble.DUPLICATE, 6)]


def test_sealed_record_that_follows_another_one_is_found(tmp_path):
    lines = golden_lines()
    lines[4], _ = sealed(frame(4, prev="1" * 64, kind="opened"))
    report = check(tmp_path, lines)
    assert troubles(report) == [(Trouble.UNLINKED, 5), (Trouble.UNLINKED, 6)]


def test_chain_that_begins_with_another_record_has_no_genesis(tmp_path):
    line, hashed = sealed(frame(0))
    anchor = Anchor(Head(GOLDEN_CHAIN, 0, hashed), "the state store")
    assert troubles(check(tmp_path, [line], anchors=[anchor])) == [(Trouble.NO_GENESIS, 1)]


def test_last_record_replaced_with_the_key_shows_against_the_head(tmp_path):
    lines = golden_lines()
    lines[-1], _ = sealed(frame(7, prev=hash_of(lines[-2]), kind="stopped"))
    assert troubles(check(tmp_path, lines)) == [(Trouble.REPLACED, 8)]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_single_byte_change_is_found(tmp_path_factory, data):
    log = bytearray(b"".join(golden_lines()))
    at = data.draw(st.integers(0, len(log) - 1))
    log[at] ^= data.draw(st.integers(1, 255))
    report = check(tmp_path_factory.mktemp("log"), bytes(log))
    assert report.state is State.TAMPERED


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_cut_is_found(tmp_path_factory, data):
    log = b"".join(golden_lines())
    length = data.draw(st.integers(0, len(log) - 1))
    report = check(tmp_path_factory.mktemp("log"), log[:length])
    assert report.state is State.TAMPERED


@settings(max_examples=100, deadline=None)
@given(order=st.permutations(range(8)))
def test_any_other_order_is_found(tmp_path_factory, order):
    lines = golden_lines()
    report = check(tmp_path_factory.mktemp("log"), [lines[i] for i in order])
    assert report.state is (State.OK if order == sorted(order) else State.TAMPERED)


# --- what cannot be checked ---


def test_empty_folder_is_not_valid(tmp_path):
    report = verify(tmp_path, [SEAL])
    assert (report.state, report.exit_code) == (State.UNCHECKED, 2)


def test_folder_that_is_not_there_cannot_be_checked(tmp_path):
    assert verify(tmp_path / "nowhere", [SEAL]).exit_code == 2


def test_empty_file_is_not_valid(tmp_path):
    assert check(tmp_path, [], anchors=[]).exit_code == 2


def test_without_a_key_nothing_is_proven(tmp_path):
    report = check(tmp_path, golden_lines(), seals=[])
    assert report.exit_code == 2


def test_without_a_key_an_edit_shows_all_the_same(tmp_path):
    lines = golden_lines()
    edited(lines)
    assert troubles(check(tmp_path, lines, seals=[])) == [(Trouble.EDITED, 4)]


def test_chain_of_another_key_cannot_be_checked(tmp_path):
    report = check(tmp_path, golden_lines(), seals=[Seal(OTHER_KEY)])
    assert report.exit_code == 2
    assert SEAL.key_id in str(report.chains[0].unchecked)


def test_chain_rewritten_with_another_key_is_tampering_where_the_head_is_known(tmp_path):
    assert troubles(check(tmp_path, golden_lines(OTHER_KEY))) == [(Trouble.REPLACED, 8)]


def test_chain_rewritten_under_our_key_id_is_forged(tmp_path):
    stranger = Seal(OTHER_KEY)
    lines, prev = [], NO_HASH
    for seq in range(3):
        record = frame(seq, prev=prev, kind="genesis" if seq == 0 else "closed")
        record["key"] = SEAL.key_id
        line, prev = stranger.line(record)
        lines.append(line)
    report = check(tmp_path, lines, anchors=[])
    assert {trouble for trouble, _ in troubles(report)} == {Trouble.FORGED}


def test_missing_head_means_that_the_tail_is_not_checked(tmp_path):
    report = check(tmp_path, golden_lines(), anchors=[])
    assert report.exit_code == 2
    assert "cut tail" in report.chains[0].unchecked[0]


def test_head_that_lies_behind_says_nothing_against_the_log(tmp_path):
    lines = golden_lines()
    anchor = Anchor(Head(GOLDEN_CHAIN, 3, hash_of(lines[3])), "a log line")
    assert check(tmp_path, lines, anchors=[anchor]).state is State.OK


def test_forged_head_in_the_store_is_tampering(tmp_path):
    report = check(tmp_path, golden_lines(), forged_heads=[GOLDEN_CHAIN])
    assert [p.trouble for p in report.problems] == [Trouble.HEAD_FORGED]


def test_chain_that_is_gone_altogether_is_cut(tmp_path):
    report = verify(tmp_path, [SEAL], [HEAD])
    assert [p.trouble for p in report.problems] == [Trouble.CUT]
    elsewhere = Anchor(HEAD.head, "the state store", here=False)
    assert verify(tmp_path, [SEAL], [elsewhere]).exit_code == 2


def test_missing_file_of_a_chain_is_found(tmp_path):
    (tmp_path / GOLDEN.name).write_bytes(b"".join(golden_lines()[:3]))
    third = GOLDEN.name.replace("000001", "000003")
    (tmp_path / third).write_bytes(b"".join(golden_lines()[5:]))
    report = verify(tmp_path, [SEAL], [HEAD])
    found = [p.trouble for p in report.problems]
    assert found == [Trouble.FILE_MISSING, Trouble.MISSING]


def test_unreadable_file_cannot_be_checked(tmp_path):
    (tmp_path / GOLDEN.name).mkdir()
    report = verify(tmp_path, [SEAL], [HEAD])
    assert report.exit_code == 2


# --- what is no tampering ---


def test_half_a_line_beyond_the_head_is_a_crash(tmp_path):
    lines = golden_lines()
    anchor = Anchor(Head(GOLDEN_CHAIN, 5, hash_of(lines[5])), "the state store")
    report = check(tmp_path, [*lines[:6], lines[6][:50]], anchors=[anchor])
    assert report.state is State.OK
    assert "half a line (50 bytes)" in report.chains[0].notes[0]


def test_zeros_of_a_power_cut_are_a_crash(tmp_path):
    lines = golden_lines()
    anchor = Anchor(Head(GOLDEN_CHAIN, 5, hash_of(lines[5])), "the state store")
    assert check(tmp_path, [*lines[:6], b"\0" * 300], anchors=[anchor]).state is State.OK


def test_half_a_line_in_a_file_that_is_not_the_last_is_tampering(tmp_path):
    lines = golden_lines()
    (tmp_path / GOLDEN.name).write_bytes(b"".join(lines[:3]) + lines[3][:40])
    second = GOLDEN.name.replace("000001", "000002")
    (tmp_path / second).write_bytes(b"".join(lines[3:]))
    assert verify(tmp_path, [SEAL], [HEAD]).state is State.TAMPERED


def test_exchange_that_was_never_closed_is_unfinished_not_tampering(tmp_path):
    lines = golden_lines()
    anchor = Anchor(Head(GOLDEN_CHAIN, 4, hash_of(lines[4])), "the state store")
    report = check(tmp_path, lines[:5], anchors=[anchor])
    assert report.state is State.OK
    assert report.chains[0].unfinished == ["x1"]
    assert "was killed" in report.chains[0].notes[0]


def test_exchange_of_a_process_that_still_writes_is_running(tmp_path):
    lock = os.open(tmp_path / "worker-0.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = golden_lines()
        anchor = Anchor(Head(GOLDEN_CHAIN, 4, hash_of(lines[4])), "the state store")
        report = check(tmp_path, lines[:5], anchors=[anchor])
    finally:
        os.close(lock)
    assert report.chains[0].running == ["x1"]
    assert not report.chains[0].unfinished
