"""HTTP tools: the path, the query and the body of a request, and whatever a tool answers."""

from __future__ import annotations

from gateway.dialects.base import Surface
from tests.surfaces.row import PROBE, Asked, Row, Told, body, sse

FORM = "application/x-www-form-urlencoded"
LINES = "application/x-ndjson"
PARTS = "multipart/form-data; boundary=b"
ANY = Asked("/v1/notes", body({"text": "hello"}))


def parts(head: str, content: str) -> bytes:
    return f"--b\r\n{head}\r\n\r\n{content}\r\n--b--\r\n".encode()


def answered(said: bytes, content_type: str = "application/json") -> Told:
    return Told(ANY, said, content_type)


TOOL_CALL = {
    "path": Asked(f"/v1/notes/{PROBE}", method="GET", content_type=""),
    "part of a segment": Asked(f"/v1/files/{PROBE}.txt", method="GET", content_type=""),
    "rest of the path": Asked(f"/tree/a/{PROBE}/b", method="GET", content_type=""),
    "path of no tool": Asked(f"/other/{PROBE}", method="DELETE", content_type=""),
    "query value": Asked(f"/v1/notes?a=1&q=is%20{PROBE}", method="GET", content_type=""),
    "query name": Asked(f"/v1/notes?{PROBE}", method="GET", content_type=""),
    "json": Asked("/v1/notes", body({"a": [{"b": f"is {PROBE}"}]})),
    "json key": Asked("/v1/notes", body({PROBE: 1})),
    "json text": Asked("/v1/notes", body(f"is {PROBE}")),
    "escaped json as text": Asked(
        "/v1/notes", b'{"a": "\\u0071' + PROBE[1:].encode() + b'"}', content_type="text/plain"
    ),
    "form": Asked("/v1/notes", f"a=1&q=is+{PROBE}".encode(), content_type=FORM),
    "json in a form": Asked(
        "/v1/notes", f"payload=%7B%22a%22%3A%22{PROBE}%22%7D".encode(), content_type=FORM
    ),
    "field of parts": Asked(
        "/v1/notes",
        parts('Content-Disposition: form-data; name="a"', f"is {PROBE}"),
        content_type=PARTS,
    ),
    "file of parts": Asked(
        "/v1/notes",
        parts('Content-Disposition: form-data; name="a"; filename="a.csv"', f"a,{PROBE}"),
        content_type=PARTS,
    ),
    "name of a file": Asked(
        "/v1/notes",
        parts(f'Content-Disposition: form-data; name="a"; filename="{PROBE}"', "hello"),
        content_type=PARTS,
        readonly=True,
    ),
    "lines": Asked("/v1/notes", body({"a": 1}) + b"\n" + body({"a": PROBE}), content_type=LINES),
    "text": Asked("/v1/notes", f"is {PROBE}".encode(), content_type="text/plain"),
    "xml": Asked("/v1/notes", f"<a b='{PROBE}'/>".encode(), content_type="application/xml"),
    "xml entities": Asked(
        "/v1/notes", f"<a>&#113;{PROBE[1:]}</a>".encode(), content_type="application/soap+xml"
    ),
    "text of an unlikely type": Asked("/v1/notes", PROBE.encode(), content_type="image/png"),
    "text of no type": Asked("/v1/notes", PROBE.encode(), content_type=""),
    "body of a GET": Asked("/v1/notes", body({"a": PROBE}), method="GET"),
}
TOOL_RESULT = {
    "json": answered(body({"a": [{"b": f"is {PROBE}"}]})),
    "json key": answered(body({PROBE: 1})),
    "json text": answered(body(f"is {PROBE}")),
    "escaped json": answered(b'{"a": "\\u0071' + PROBE[1:].encode() + b'"}'),
    "json with a byte order mark": answered(b"\xef\xbb\xbf" + body({"a": PROBE})),
    "value that a later key hides": answered(b'{"a": "' + PROBE.encode() + b'", "a": 1}'),
    "broken json": answered(b'{"a": "' + PROBE.encode()),
    "problem": answered(body({"title": f"is {PROBE}"}), "application/problem+json"),
    "text": answered(f"is {PROBE}".encode(), "text/plain; charset=utf-8"),
    "text of another charset": answered(
        f"é {PROBE}".encode("latin-1"), "text/plain; charset=latin1"
    ),
    "wide text": answered(f"is {PROBE}".encode("utf-16-le"), "text/plain; charset=utf-16le"),
    "html": answered(f"<p>is {PROBE}</p>".encode(), "text/html"),
    "html entities": answered(f"<p>&#x71;{PROBE[1:]}</p>".encode(), "text/html"),
    "csv": answered(f"a,b\n1,{PROBE}\n".encode(), "text/csv"),
    "yaml": answered(f"a: {PROBE}".encode(), "application/yaml"),
    "no type": answered(PROBE.encode(), ""),
    "unlikely type": answered(PROBE.encode(), "application/octet-stream"),
}
STREAMED = {
    "events of json": answered(
        sse({"a": "hello"}, {"a": f"is {PROBE}"}, "[DONE]"), "text/event-stream"
    ),
    "events of text": answered(sse("hello", f"is {PROBE}"), "text/event-stream"),
    "lines": answered(body({"a": 1}) + b"\n" + body({"a": PROBE}) + b"\n", LINES),
    "last line": answered(body({"a": 1}) + b"\n" + body({"a": PROBE}), "application/jsonl"),
}

NO_MODEL = "a call of a tool holds what the tool is called with, and nothing of a conversation"
OTHERS = {
    surface.value: NO_MODEL
    for surface in Surface
    if surface not in (Surface.TOOL_CALL, Surface.TOOL_RESULT)
}

ROW = Row(
    provider="http",
    requests={Surface.TOOL_CALL: TOOL_CALL},
    answers={Surface.TOOL_RESULT: TOOL_RESULT},
    streams={Surface.TOOL_RESULT: STREAMED},
    lacks={
        "requests": {**OTHERS, "tool_result": "what a tool gave is in its answer"},
        "answers": {**OTHERS, "tool_call": "a tool calls no tools through its answer"},
        "streams": {**OTHERS, "tool_call": "a tool calls no tools through its answer"},
    },
    upstream={
        "tools": [
            {"name": "note", "method": ["GET", "POST"], "path": "/v1/notes"},
            {"name": "one_note", "method": "GET", "path": "/v1/notes/{id}"},
            {"name": "file", "method": "GET", "path": "/v1/files/{name}.txt"},
            {"name": "tree", "method": "any", "path": "/tree/{+path}"},
        ]
    },
)
