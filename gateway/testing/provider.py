"""A fake provider for tests and the demo: real HTTP on loopback, scripted answers.

It speaks OpenAI chat, completions, responses and embeddings, Anthropic messages, Ollama's API and
Gemini's, streamed or not, and keeps what it was sent. What it answers is a `Say`, an `Exchange` of
raw bytes, or whatever a script makes of the request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from gateway.testing import answers, gemini_answers
from gateway.testing.answers import Say


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the provider received it. `json` is None where the body is not JSON."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    json: Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer in bytes: pieces are written one by one, `pause` seconds apart.

    `hang` keeps the connection open after the last piece; `cut` breaks it off.
    """

    status: int = 200
    pieces: tuple[bytes, ...] = ()
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    hang: bool = False
    cut: bool = False


Script = Callable[[Seen], Say | Raw]


class FakeProvider:
    """Serves on a free port of 127.0.0.1 in a thread of its own.

    `seen` holds the requests in order; `aborted` counts answers that the other side did not wait
    for. Use as a context manager, or call `start` and `stop`.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self.script: Script = script or (lambda seen: Say())
        self.seen: list[Seen] = []
        self.aborted = 0
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fake-provider", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeProvider:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fake provider did not start")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        runner = web.ServerRunner(
            web.Server(self._answer, access_log=None, handler_cancellation=True),
            shutdown_timeout=0.2,
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None and isinstance(site._server, asyncio.Server)
        self.port = site._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        await runner.cleanup()

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        body = await http.content.read()
        try:
            document = orjson.loads(body) if body else None
        except ValueError:
            document = None
        headers = {name.lower(): value for name, value in http.headers.items()}
        seen = Seen(http.method, http.raw_path, headers, body, document)
        self.seen.append(seen)
        answer = self.script(seen)
        raw = answer if isinstance(answer, Raw) else speak(seen, answer)
        try:
            return await self._write(http, raw)
        except (ConnectionResetError, asyncio.CancelledError):
            self.aborted += 1
            raise

    async def _write(self, http: web.BaseRequest, raw: Raw) -> web.StreamResponse:
        headers = {"content-type": raw.content_type, "x-request-id": "req_fake", **raw.headers}
        if len(raw.pieces) == 1 and not (raw.hang or raw.cut or raw.pause):
            return web.Response(status=raw.status, headers=headers, body=raw.pieces[0])
        response = web.StreamResponse(status=raw.status, headers=headers)
        await response.prepare(http)
        for piece in raw.pieces:
            await response.write(piece)
            if raw.pause:
                await asyncio.sleep(raw.pause)
        if raw.hang:
            await asyncio.sleep(3600)
        if raw.cut and http.transport is not None:
            http.transport.abort()
        await response.write_eof()
        return response


def speak(seen: Seen, say: Say) -> Raw:
    """What a provider would send for `say` on the path and in the mode that was asked for."""
    body = seen.json if isinstance(seen.json, dict) else {}
    path = seen.path.partition("?")[0]
    stream = bool(body.get("stream"))
    if path.endswith("/chat/completions"):
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        made = answers.chat_stream(say, usage=usage) if stream else answers.chat(say)
    elif path.endswith("/completions"):
        made = answers.completions_stream(say) if stream else answers.completions(say)
    elif path.endswith(("/api/chat", "/api/generate")):
        chats = path.endswith("chat")
        if body.get("stream") is not False:
            lines = tuple(answers.ollama_stream(say, chats=chats))
            return Raw(pieces=lines, content_type="application/x-ndjson", headers=say.headers)
        made = answers.ollama(say, chats=chats)
    elif path.endswith("/api/embed"):
        made = {"model": say.model, "embeddings": [[0.1, 0.2]], "prompt_eval_count": say.usage[0]}
    elif path.endswith("/responses"):
        made = answers.responses_stream(say) if stream else answers.responses(say)
    elif path.endswith("/embeddings"):
        count = len(body["input"]) if isinstance(body.get("input"), list) else 1
        made = answers.embeddings(say, count)
    elif path.endswith("/count_tokens"):
        made = {"input_tokens": say.usage[0]}
    elif path.endswith("/messages"):
        made = answers.messages_stream(say) if stream else answers.messages(say)
    elif ":" in path and "/models/" in path:
        return _speak_gemini(seen, body, say)
    else:
        made = {"object": "list", "data": [{"id": say.model, "object": "model"}]}
    if isinstance(made, list):
        return Raw(pieces=tuple(made), content_type="text/event-stream", headers=say.headers)
    return Raw(pieces=(orjson.dumps(made),), headers=say.headers)


def _speak_gemini(seen: Seen, body: dict[str, Any], say: Say) -> Raw:
    """What Google would send, by the method behind the colon."""
    target, _, query = seen.path.partition("?")
    method = target.rpartition(":")[2]
    if method != "streamGenerateContent":
        made = gemini_answers.answer_to(method, body, say)
        return Raw(pieces=(orjson.dumps(made),), headers=say.headers)
    chunks = gemini_answers.generate_stream(say)
    if "alt=sse" not in query:
        return Raw(pieces=tuple(gemini_answers.as_array(chunks)), headers=say.headers)
    pieces = tuple(gemini_answers.as_events(chunks))
    return Raw(pieces=pieces, content_type="text/event-stream", headers=say.headers)
