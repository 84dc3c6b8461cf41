"""Uploads: requests line by line, texts, and files that nobody can read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.base import Surface
from gateway.dialects.file_upload import FileUpload, OtherUpload
from gateway.dialects.multipart import parse_form
from gateway.errors import CallerError
from gateway.verdict import Reason


def form(content: bytes, name: str = "in.jsonl", purpose: str = "batch", media: str = "") -> bytes:
    head = f'name="file"; filename="{name}"'
    if media:
        head += f"\r\nContent-Type: {media}"
    return (
        (
            f'--bnd\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
            f"--bnd\r\nContent-Disposition: form-data; {head}\r\n\r\n"
        ).encode()
        + content
        + b"\r\n--bnd--\r\n"
    )


def upload(*args: Any, **kwargs: Any) -> FileUpload:
    body = form(*args, **kwargs)
    return FileUpload("openai_files", parse_form("multipart/form-data; boundary=bnd", body))


def line(url: str = "/v1/chat/completions", text: str = "Hello", **more: Any) -> bytes:
    key = "messages" if "chat" in url else "input"
    value: Any = [{"role": "user", "content": text}] if "chat" in url else text
    body = {"model": "gpt-4o", key: value, **more}
    return orjson.dumps({"custom_id": "1", "method": "POST", "url": url, "body": body}) + b"\n"


def texts(made: FileUpload, surface: Surface = Surface.USER) -> list[str]:
    return [segment.text for segment in made.segments if segment.surface is surface]


def test_a_line_is_read_by_the_dialect_of_its_url() -> None:
    urls = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"]
    made = upload(b"".join(line(url, url) for url in urls))
    assert [member.dialect for member in made.members] == [
        "openai_chat",
        "openai_responses",
        "openai_embeddings",
    ]
    assert [member.place for member in made.members] == [f"file[{n}].body" for n in (1, 2, 3)]
    assert set(urls) <= set(texts(made))


def test_an_upload_costs_nothing_and_neither_do_its_requests() -> None:
    made = upload(line())
    assert not made.billable
    assert not any(member.billable for member in made.members)


def test_only_a_changed_line_of_the_file_is_written_anew() -> None:
    made = upload(line(text="a") + line(text="secret") + line(text="c"))
    (found,) = [segment for segment in made.segments if segment.text == "secret"]
    found.replace("#")
    assert made.document.changed
    assert made.encode() == form(line(text="a") + line(text="#") + line(text="c"))


def test_what_a_rule_writes_into_one_request_is_in_the_file() -> None:
    made = upload(line() + line())
    made.members[1].set_max_output(7)
    assert made.encode() == form(line() + line(max_tokens=7))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (line() + b"{no json}\n", Reason.BODY_MALFORMED),
        (line() + b'{"a": 1, "a": 2}\n', Reason.DUPLICATE_KEY),
        (line() + b"[]\n", Reason.BODY_MALFORMED),
    ],
)
def test_a_batch_with_a_line_that_cannot_be_read_one_way_is_refused(
    content: bytes, reason: Reason
) -> None:
    with pytest.raises(CallerError, match="Line 2 of the file") as caught:
        upload(content)
    assert caught.value.reason is reason


def test_of_a_line_that_is_no_request_every_key_and_number_is_content() -> None:
    made = upload(
        b'{"ann@example.com": 4111111111111111, "body": {"a": "b"}}\n', purpose="user_data"
    )
    assert {"ann@example.com", "4111111111111111", "b"} <= set(texts(made))


def test_lines_of_a_file_for_something_else_need_not_be_json() -> None:
    made = upload(b'{"a": "one"}\nnot json\n', purpose="user_data")
    assert texts(made) == ["in.jsonl", '{"a": "one"}\nnot json\n']


def test_an_url_that_nobody_reads_is_named_and_its_strings_are_read() -> None:
    made = upload(line("/v1/new", "words"))
    assert "words" in texts(made)
    assert [item.what for item in made.unscannable] == ["body"]


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("notes.md", "application/octet-stream"),
        ("rows.CSV", ""),
        ("main.py", ""),
        ("notes", "text/plain; charset=utf-8"),
        ("a.bin", "application/json"),
    ],
)
def test_a_text_file_is_one_text_of_the_user(name: str, media: str) -> None:
    made = upload("Grüße".encode(), name, "user_data", media)
    assert texts(made) == [name, "Grüße"]
    assert not made.unscannable
    made.segments[1].replace("#")
    assert made.encode() == form(b"#", name, "user_data", media)


@pytest.mark.parametrize(
    ("content", "name", "media"),
    [
        (b"%PDF-1.7", "a.pdf", "application/pdf"),
        (b"PK\x03\x04", "a.docx", ""),
        ("text".encode("utf-16"), "a.txt", "text/plain"),
        (b"a\x00b", "a.txt", ""),
        (b"\x89PNG", "a", "image/png"),
        (b"%PDF-1.7", "a.pdf", "text/plain"),
    ],
)
def test_any_other_file_is_named_as_one_that_no_rule_reads(
    content: bytes, name: str, media: str
) -> None:
    made = upload(content, name, "user_data", media)
    assert [(item.what, item.surface) for item in made.unscannable] == [("file", Surface.USER)]
    assert made.encode() == form(content, name, "user_data", media)


def test_a_file_of_json_is_read_with_its_escapes_undone() -> None:
    raw = b'{ "note": "\\u0073ecret", "rows": [1] }'
    made = upload(raw, "a.json", "user_data")
    assert "secret" in texts(made)
    assert made.encode() == form(raw, "a.json", "user_data")
    next(s for s in made.segments if s.text == "secret").replace("#")
    assert made.encode() == form(b'{"note":"#","rows":[1]}', "a.json", "user_data")


def test_a_file_that_calls_itself_json_and_is_none_is_a_text() -> None:
    assert texts(upload(b"{oops", "a.json", "user_data")) == ["a.json", "{oops"]
    assert texts(upload(b'"just words"', "a.json", "user_data")) == ["a.json", '"just words"']


def test_the_name_of_a_file_is_seen_and_never_rewritten() -> None:
    (name,) = upload(b"\x89PNG", "secret.png", "vision").segments
    assert (name.text, name.readonly) == ("secret.png", True)


def test_a_body_that_is_no_form_is_read_where_it_is_json() -> None:
    made = OtherUpload("openai_files", "application/json", b'{"attributes": {"a": "secret"}}')
    found = next(segment for segment in made.segments if segment.text == "secret")
    found.replace("#")
    assert made.encode() == b'{"attributes":{"a":"#"}}'
    other = OtherUpload("openai_files", "application/octet-stream", b"raw")
    assert [item.what for item in other.unscannable] == ["body"]
    assert other.encode() == b"raw"
