"""Forms: one reading, or none."""

from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.multipart import MOST_FIELDS, Form, is_form, parse_form, parts
from gateway.errors import CallerError
from gateway.verdict import Reason

TYPE = "multipart/form-data; boundary=bnd"


def part(head: str, content: bytes) -> bytes:
    return f"--bnd\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--bnd--\r\n"


PURPOSE = part('name="purpose"', b"batch")
FILE = part('name="file"; filename="a.txt"\r\nContent-Type: text/plain', b"Hello")


def read(body: bytes, content_type: str = TYPE) -> Form:
    return parse_form(content_type, body)


def test_fields_and_files_are_told_apart() -> None:
    made = read(form(PURPOSE, FILE))
    purpose, file = made.fields
    assert (purpose.name, purpose.filename, made.content(purpose)) == ("purpose", None, b"batch")
    assert (file.name, file.filename, file.media_type) == ("file", "a.txt", "text/plain")
    assert made.content(file) == b"Hello"
    assert made.encode() == form(PURPOSE, FILE)


def test_only_the_part_that_was_changed_is_written_anew() -> None:
    made = read(form(PURPOSE, FILE))
    made.put(made.fields[1], b"Bye, all")
    assert made.changed
    assert made.encode() == form(PURPOSE, FILE.replace(b"Hello", b"Bye, all"))


def test_a_part_may_be_empty_and_the_last_line_end_may_be_missing() -> None:
    made = read(form(part('name="file"; filename="a.txt"', b""), PURPOSE)[:-2])
    assert [made.content(field) for field in made.fields] == [b"", b"batch"]


def test_what_dotnet_writes_is_read() -> None:
    head = "name=file; filename=a.txt; filename*=utf-8''a.txt"
    (field,) = read(form(part(head, b"x")), 'multipart/form-data; boundary="bnd"').fields
    assert (field.name, field.filename) == ("file", "a.txt")


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z0-9_\[\]]{0,8}", fullmatch=True), st.binary()),
        min_size=1,
        max_size=5,
        unique_by=lambda each: each[0],
    )
)
def test_what_a_client_sends_is_read_as_it_was_meant(fields: list[tuple[str, bytes]]) -> None:
    files = [(name, ("f.bin", content)) for name, content in fields]
    request = httpx2.Request("POST", "http://x.test/", files=files)
    request.read()
    made = parse_form(request.headers["content-type"], request.content)
    assert [(field.name, made.content(field)) for field in made.fields] == fields
    made.put(made.fields[0], b"new")
    again = parse_form(request.headers["content-type"], made.encode())
    assert again.content(again.fields[0]) == b"new"
    assert [again.content(field) for field in again.fields[1:]] == [c for _, c in fields[1:]]


@given(st.binary(max_size=200))
def test_nothing_but_a_form_is_read(noise: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        read(noise)
    assert caught.value.reason is Reason.BODY_MALFORMED


@given(st.data())
def test_a_form_with_a_byte_more_or_less_in_its_frame_is_never_read_wrongly(
    data: st.DataObject,
) -> None:
    """Whatever is done to it, what is read covers the whole body, or nothing is read."""
    body = bytearray(form(PURPOSE, FILE))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        made = read(bytes(body))
    except CallerError:
        return
    assert bytes(body).count(b"\r\n--bnd") == len(made.fields)
    assert bytes(body).startswith(b"--bnd\r\n")


ATTACKS = {
    "text before the first boundary": b"hidden\r\n" + form(FILE),
    "text behind the last": form(FILE) + b"hidden",
    "no end": FILE,
    "a boundary that goes on otherwise": form(FILE).replace(b"--bnd--", b"--bndx--"),
    "a field twice": form(FILE, FILE),
    "a field twice in another case": form(FILE, FILE.replace(b'name="file"', b'name="FILE"')),
    "a header twice": form(FILE.replace(b"Content-Type", b"Content-Disposition")),
    "an unknown header": form(FILE.replace(b"Content-Type", b"X-Other")),
    "a folded header": form(FILE.replace(b"; filename", b";\r\n filename")),
    "a bare line feed in a header": form(FILE.replace(b"; filename", b";\n filename")),
    "an escaped quote": form(part(r'name="file"; filename="a\".txt"', b"x")),
    "two names of the file": form(part("name=f; filename=a; filename*=utf-8''b", b"x")),
    "no name": form(part('filename="a.txt"', b"x")),
    "a name that is not plain": form(part('name="fi le"', b"x")),
    "another disposition": form(FILE).replace(b"form-data", b"attachment"),
    "a transfer encoding": form(
        FILE.replace(b"Content-Type: text/plain", b"Content-Transfer-Encoding: base64")
    ),
    "a wrong length": form(FILE.replace(b"Content-Type: text/plain", b"Content-Length: 3")),
    "a boundary with a bare line feed": form(part('name="f"', b"a\n--bnd\r\nb")),
    "a boundary with a bare return": form(part('name="f"', b"a\r--bnd\r\nb")),
    "a boundary without a line of its own": form(part('name="f"', b"--bnd--")),
    "very long headers": form(part('name="f"; filename="' + "a" * 5000 + '"', b"x")),
    "very many fields": form(*(part(f'name="f{n}"', b"x") for n in range(MOST_FIELDS + 1))),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_two_parsers_could_cut_up_differently_is_refused(name: str) -> None:
    with pytest.raises(CallerError) as caught:
        read(ATTACKS[name])
    assert caught.value.reason is Reason.BODY_MALFORMED
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/mixed; boundary=bnd",
        "multipart/form-data; boundary=bnd; boundary=other",
        "multipart/form-data; boundary=bnd; charset=utf-16",
        'multipart/form-data; boundary="b nd"',
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="bnd',
    ],
)
def test_a_boundary_is_one_and_plain(content_type: str) -> None:
    assert is_form(content_type)
    with pytest.raises(CallerError):
        read(form(FILE), content_type)


def test_a_rule_cannot_write_the_boundary_into_a_part() -> None:
    made = read(form(FILE))
    with pytest.raises(CallerError):
        made.put(made.fields[0], b"--bnd--")


def test_other_bodies_are_no_forms() -> None:
    assert not is_form("application/json")
    assert not is_form("")


def test_parts_of_any_multipart_body_keep_headers_and_places() -> None:
    body = b"--a b\r\nX-Any: 1\r\n\r\none\r\n--a b\r\n\r\nbare\r\n--a b--"
    first, second = parts(body, b"a b", most=2, longest_head=20)
    assert (first.head, first.headers) == (b"X-Any: 1", {"x-any": b"1"})
    assert body[first.start : first.end] == b"one"
    assert (second.head, second.headers) == (b"", {})
    assert body[second.start : second.end] == b"bare"


@given(st.lists(st.sampled_from([b"--b", b"--", b"\r\n", b"\r", b"\n", b"a: b", b"x"])))
def test_parts_cover_a_body_or_nothing_is_read(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    try:
        read = parts(body, b"b", most=100, longest_head=100)
    except ValueError:
        return
    between = [b"--b\r\n" + p.head + b"\r\n" * (1 + bool(p.head)) for p in read]
    whole = [head + body[p.start : p.end] for head, p in zip(between, read, strict=True)]
    assert body.removesuffix(b"\r\n") == b"\r\n".join([*whole, b"--b--"])
