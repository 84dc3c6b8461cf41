"""Files: uploads as forms, and what a stored file holds. OpenAI's and Anthropic's alike.

`POST /v1/files` and `GET /v1/files/{id}/content`. A file of requests (a batch's input) is read line
by line through the dialects of its lines; what can be read as text is text of the user; of any
other file only the name is read, and the file is named as unscannable.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.base import Answer, AnswerStream, Call, Dialect, RateLimit
from gateway.dialects.empty_call import EmptyCall
from gateway.dialects.file_content import FileContent
from gateway.dialects.file_upload import FileUpload, OtherUpload
from gateway.dialects.jsondoc import parse_answer
from gateway.dialects.multipart import is_form, parse_form
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.plain_object import PlainObject
from gateway.errors import CallerError
from gateway.message import Headers, Request
from gateway.verdict import Reason

_CONTENT_TYPE = frozenset({"content-type"})


class Files:
    """One provider's files. `kin` is the dialect whose errors its SDK knows."""

    def __init__(self, name: str, kin: Dialect) -> None:
        self.name = name
        self._kin = kin

    def decode(self, request: Request, body: bytes) -> Call:
        """Raises CallerError where a form, or a file of requests, cannot be read one way."""
        if request.method.upper() == "GET" or not body:
            return EmptyCall(self.name, body, results=True)
        types = request.headers.all(_CONTENT_TYPE)
        if len(types) > 1:
            raise CallerError(Reason.BODY_MALFORMED, "Send one content-type header, not several.")
        content_type = types[0][1] if types else ""
        if is_form(content_type):
            return FileUpload(self.name, parse_form(content_type, body))
        return OtherUpload(self.name, content_type, body)

    def decode_answer(self, call: Call, body: bytes) -> Answer:
        """What a file holds, or what is said of an upload. Raises ValueError for the latter where
        it is no JSON object."""
        if isinstance(call, EmptyCall):
            return FileContent(body)
        return PlainObject(parse_answer(body))

    def open_stream(self, call: Call) -> AnswerStream:
        """Files are not streamed; what calls itself a stream is read as that of their provider."""
        stream = self._kin.open_stream(call)
        assert isinstance(stream, AnswerStream)
        return stream

    def error_body(self, status: int, code: str, message: str, request_id: str) -> bytes:
        return self._kin.error_body(status, code, message, request_id)

    def limit_headers(self, limits: Sequence[RateLimit]) -> Headers:
        return self._kin.limit_headers(limits)


OPENAI_FILES = Files("openai_files", OpenAIChat())
ANTHROPIC_FILES = Files("anthropic_files", AnthropicMessages())
