"""Files as the stations see them: a form or not, whose errors they have."""

from __future__ import annotations

import orjson
import pytest

from gateway.dialects.empty_call import EmptyCall
from gateway.dialects.file_content import FileContent
from gateway.dialects.file_upload import FileUpload, OtherUpload
from gateway.dialects.files import ANTHROPIC_FILES, OPENAI_FILES
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

TYPE = "multipart/form-data; boundary=bnd"
HEAD = b'Content-Disposition: form-data; name="file"; filename="a.txt"'
FORM = b"--bnd\r\n" + HEAD + b"\r\n\r\nHi\r\n--bnd--\r\n"


def request(*types: str, method: str = "POST") -> Request:
    return Request(method, "/v1/files", Headers([("Content-Type", each) for each in types]))


def test_an_upload_is_a_form_and_anything_else_a_body() -> None:
    assert isinstance(OPENAI_FILES.decode(request(TYPE), FORM), FileUpload)
    assert isinstance(OPENAI_FILES.decode(request("application/json"), b"{}"), OtherUpload)
    assert isinstance(OPENAI_FILES.decode(request(), b"raw"), OtherUpload)
    assert isinstance(OPENAI_FILES.decode(request(method="GET"), b""), EmptyCall)


def test_two_content_types_are_refused() -> None:
    with pytest.raises(CallerError) as caught:
        OPENAI_FILES.decode(request(TYPE, "application/json"), FORM)
    assert caught.value.reason is Reason.BODY_MALFORMED


def test_what_a_file_holds_is_read_and_what_is_said_of_an_upload() -> None:
    fetched = OPENAI_FILES.decode(request(method="GET"), b"")
    assert isinstance(OPENAI_FILES.decode_answer(fetched, b"\x00"), FileContent)
    sent = OPENAI_FILES.decode(request(TYPE), FORM)
    told = OPENAI_FILES.decode_answer(sent, b'{"id": "file-1", "filename": "a.txt"}')
    assert [segment.text for segment in told.segments] == ["a.txt"]
    with pytest.raises(ValueError, match="JSON"):
        OPENAI_FILES.decode_answer(sent, b"[1]")


def test_errors_are_those_of_the_provider() -> None:
    told = orjson.loads(OPENAI_FILES.error_body(400, "pii_found", "No.", "r"))
    assert told["error"]["code"] == "pii_found"
    told = orjson.loads(ANTHROPIC_FILES.error_body(400, "pii_found", "No.", "r"))
    assert (told["type"], told["error"]["code"]) == ("error", "pii_found")


def test_a_file_leaves_byte_for_byte() -> None:
    assert OPENAI_FILES.decode(request(TYPE), FORM).encode() == FORM
