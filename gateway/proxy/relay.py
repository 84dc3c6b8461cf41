"""From upstream's answer to the caller's reply: whole, streamed, or passed as it is.

The record is closed before the caller's last byte: before a whole answer is handed to the
server, and before the frame that completes a stream is let through.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import replace

from gateway.dialects.base import Answer, Call, Framing
from gateway.dialects.sse import SSE
from gateway.errors import GatewayError, UpstreamError
from gateway.exchange import Exchange
from gateway.message import Reply, UpstreamReply
from gateway.policy.answer_guard import AnswerGuard
from gateway.policy.message_window import MessageWindow
from gateway.policy.pipeline import Pipeline
from gateway.policy.stream_window import StreamWindow
from gateway.proxy import headers as header_rules
from gateway.proxy import reply as replies
from gateway.proxy.body import StreamUnpacker, unpack
from gateway.proxy.charset import settle_type
from gateway.proxy.closing import BYTES_PER_TOKEN, Closer
from gateway.proxy.direct import Chain, Direct, Window
from gateway.proxy.live import Live
from gateway.state.store import Store
from gateway.verdict import Reason, Verdict

KEEP_ALIVE = 15.0
"""Seconds of silence, while something is held back, after which a comment is sent."""


_MAY_REDIRECT = frozenset({"opaque", "http_tool"})
"""Dialects whose calls may lead elsewhere: what is fetched, and what an HTTP tool is."""

_ELSEWHERE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:|[/\\]{2})")
"""The beginning of a `Location` that names a host."""


class Relay:
    """Passes answers on, through the rules."""

    def __init__(self, closer: Closer, store: Store, keep_alive: float = KEEP_ALIVE) -> None:
        self._closer = closer
        self._store = store
        self.keep_alive = keep_alive
        self._draining = False
        self._endless: set[asyncio.Timeout] = set()  # waits of streams that only a drain ends

    def drain(self) -> None:
        """End the streams that have no end of their own: their readers come back elsewhere."""
        self._draining = True
        for wait in self._endless:
            wait.reschedule(0)

    async def pass_on(self, exchange: Exchange, pipeline: Pipeline, answer: UpstreamReply) -> Reply:
        """The reply to the caller. Whatever breaks on the way closes upstream's connection."""
        assert exchange.call is not None
        try:
            exchange.call.heard(answer.status, answer.headers)
            if pipeline.rules and exchange.call.dialect not in _MAY_REDIRECT:
                _refuse_redirect(answer)
            if _is_unread(exchange, pipeline):
                return self._pass_unread(exchange, answer)
            framing = _framing(exchange.call, answer)
            if framing is not None:
                return await self._stream(exchange, pipeline, answer, framing)
            return await self._whole(exchange, pipeline, answer)
        except BaseException:
            answer.close()
            raise

    # --- whole answers ---

    async def _whole(self, exchange: Exchange, pipeline: Pipeline, answer: UpstreamReply) -> Reply:
        body = await answer.read()
        exchange.mark("answer")
        reply = Reply(answer.status, header_rules.to_caller(answer.headers), body)
        call = exchange.call
        assert call is not None
        if call.readable_answer and (answer.status < 300 or call.reads_errors):
            guard = pipeline.guard(exchange)
            encoding = answer.headers.get("content-encoding")
            if pipeline.rules and call.dialect != "http_tool":  # which reads by the charset
                settle_type(reply.headers)
            decoded = self._decode(exchange, reply, encoding, guard)
            if decoded is not None:
                if pipeline.reads:
                    await guard.read(decoded)
                stopped = guard.on_answer(decoded)
                if stopped is not None:
                    return await self._blocked(exchange, guard, stopped)
                if decoded.document.changed:
                    reply.body = decoded.encode()
                    reply.headers.remove("content-encoding")
        exchange.mark("answer_rules")
        replies.mark(exchange, reply.headers)
        return await self._closer.end(exchange, reply, "answered")

    def _decode(
        self, exchange: Exchange, reply: Reply, encoding: str, guard: AnswerGuard
    ) -> Answer | None:
        """Read the answer; one that cannot be read is unscannable, never unseen."""
        assert exchange.dialect is not None and exchange.call is not None
        assert isinstance(reply.body, bytes)
        live: Live = exchange.snapshot
        exchange.text_out = len(reply.body)
        body = reply.body
        try:
            if encoding:
                body = unpack(body, encoding, live.file.limits.max_answer)
            decoded = exchange.dialect.decode_answer(exchange.call, body)
        except (ValueError, GatewayError) as error:
            guard.on_unreadable()
            if (stopped := exchange.stopped) is not None:
                raise UpstreamError(
                    Reason.ANSWER_MALFORMED,
                    f"The provider's answer cannot be read, and rule {stopped.rule} lets nothing "
                    "unread pass.",
                    retryable=False,
                ) from error
            return None
        exchange.usage = decoded.usage
        exchange.model_served = decoded.model
        exchange.answer_id = decoded.id
        exchange.finish = decoded.finish
        exchange.text_out = sum([len(s.text) for s in decoded.segments])
        return decoded

    async def _blocked(self, exchange: Exchange, guard: AnswerGuard, verdict: Verdict) -> Reply:
        assert exchange.dialect is not None
        message = guard.blocked_message(verdict)
        reply = replies.for_answer(exchange, verdict, exchange.dialect, message)
        return await self._closer.end(exchange, reply, "blocked")

    # --- streams ---

    async def _stream(
        self, exchange: Exchange, pipeline: Pipeline, answer: UpstreamReply, framing: Framing
    ) -> Reply:
        assert exchange.dialect is not None and exchange.call is not None
        exchange.streamed = True
        exchange.status = answer.status
        unpacker = StreamUnpacker(answer.headers.get("content-encoding"))
        if not unpacker.readable:
            return self._pass_encoded(exchange, pipeline, answer)
        if pipeline.reads:
            guard = pipeline.guard(exchange)
            if (stopped := guard.on_stream()) is not None:
                answer.close()
                return await self._blocked(exchange, guard, stopped)
        window = pipeline.window(exchange, exchange.dialect.open_stream(exchange.call))
        # Then it passes as it came.
        packed = not unpacker.plain and not pipeline.rules and not exchange.call.rewrites_answer
        meter = pipeline.meter(exchange) if isinstance(window, StreamWindow) else None
        direct = Direct(framing.reader(), unpacker, window, exchange, meter)
        pieces = self._pieces(exchange, answer, framing, window, direct, packed)
        first = await anext(pieces, b"")
        exchange.mark_first_byte()
        if window.blocked is not None and not window.begun:
            await pieces.aclose()
            reply = replies.for_answer(exchange, window.blocked, exchange.dialect, window.message)
            return await self._closer.end(exchange, reply, "blocked")
        headers = replies.mark(exchange, header_rules.to_caller(answer.headers))
        if pipeline.rules:
            settle_type(headers)
        if not packed:
            headers.remove("content-encoding")
        whole = packed or exchange.call.endless or not isinstance(window, StreamWindow)
        return Reply(answer.status, headers, Chain(first, pieces, None if whole else direct))

    async def _pieces(
        self,
        exchange: Exchange,
        answer: UpstreamReply,
        framing: Framing,
        window: Window,
        direct: Direct,
        packed: bool,
    ) -> AsyncGenerator[bytes, None]:
        """Upstream's bytes through the window; the exchange is closed before the last of them.

        None is empty but the first of a stream of messages: no message stops such a stream, and
        the caller may have to wait long for one, so the head leaves at once.
        """
        stream = window.stream
        assert exchange.call is not None
        endless = exchange.call.endless
        try:
            if isinstance(window, MessageWindow):
                yield b""
            piece = b"-"
            while piece and window.blocked is None:
                try:
                    if endless:
                        piece = await self._next_until_drain(exchange, answer)
                    elif window.waits:
                        async with asyncio.timeout(self.keep_alive):
                            piece = await answer.next_piece()
                    elif direct.write is not None and answer.pass_on is not None:
                        await answer.pass_on(direct)
                        if direct.error is not None:
                            raise direct.error
                        out, direct.out = direct.out, b""
                        if direct.due:
                            out += await self._extend(exchange, window, direct)
                        exchange.bytes_out += len(out)
                        if stream.finished or window.blocked is not None:
                            await self._finish(exchange, window)
                        if out:
                            yield out
                        if direct.halted:
                            continue
                        piece = await answer.next_piece()
                    else:
                        piece = await answer.next_piece()
                except TimeoutError:
                    out = window.open() + framing.keep_alive
                    exchange.bytes_out += len(out)
                    if out:
                        yield out
                    continue
                out = direct.through(piece) if piece else direct.end()
                if packed:
                    out = piece
                elif direct.due:
                    out += await self._extend(exchange, window, direct)
                exchange.bytes_out += len(out)
                if stream.finished or not piece or window.blocked is not None:
                    await self._finish(exchange, window)
                if out:
                    yield out
        except Exception as error:
            if exchange.bytes_out:  # the head is sent: all that is left is to break off
                await self._broken(exchange, error, window)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            self._collect(exchange, window)
            self._closer.cancelled(exchange)
            raise
        finally:
            answer.close()

    async def _extend(self, exchange: Exchange, window: Window, direct: Direct) -> bytes:
        """Reserve more for an answer that needs it; what ends it where there is no more."""
        assert direct.meter is not None
        assert isinstance(window, StreamWindow)
        if window.stream.finished or window.blocked is not None:
            return b""
        usage = window.stream.usage
        verdict = await direct.meter.extend(self._store, window.text_out, usage)
        return b"" if verdict is None else window.cut(verdict)

    async def _next_until_drain(self, exchange: Exchange, answer: UpstreamReply) -> bytes:
        """The next piece, however long it takes; b"" once the gateway drains."""
        if not self._draining:
            try:
                async with asyncio.timeout(None) as wait:
                    self._endless.add(wait)
                    try:
                        return await answer.next_piece()
                    finally:
                        self._endless.discard(wait)
            except TimeoutError:
                pass
        exchange.reason = Reason.DRAINING
        return b""

    async def _broken(self, exchange: Exchange, error: Exception, window: Window) -> None:
        """The stream broke in the middle: upstream's fault, or ours."""
        theirs = isinstance(error, UpstreamError)
        exchange.reason = error.reason if isinstance(error, GatewayError) else Reason.INTERNAL_ERROR
        exchange.outcome = "upstream_failed" if theirs else "failed"
        try:
            self._collect(exchange, window)
        finally:
            await self._closer.close(exchange)

    async def _finish(self, exchange: Exchange, window: Window) -> None:
        """The answer is complete, or stopped: close the exchange before its last bytes leave.

        A stream that was stopped before its first byte is closed with the reply made for it.
        """
        if exchange.closed:
            return
        exchange.mark("answer")
        self._collect(exchange, window)
        if window.blocked is not None:
            if not window.begun:
                return
            exchange.reason = window.blocked.reason
        exchange.outcome = "answered" if window.blocked is None else "blocked"
        if isinstance(window, MessageWindow) and window.stream.denied:
            exchange.outcome = "blocked"
            exchange.reason = exchange.stopped.reason if exchange.stopped is not None else None
        if exchange.reason is Reason.DRAINING:
            exchange.outcome = "cancelled"
        await self._closer.close(exchange)

    @staticmethod
    def _collect(exchange: Exchange, window: Window) -> None:
        """Take what the stream told about itself to the exchange."""
        window.finish()
        stream = window.stream
        exchange.model_served = stream.model
        exchange.answer_id = stream.id
        exchange.finish = stream.finish
        exchange.text_out = window.text_out
        usage = stream.usage
        if usage is not None and not stream.finished:  # cut off: its output is our estimate
            seen = -(-window.text_out // BYTES_PER_TOKEN)
            usage = replace(usage, output=max(usage.output, seen), estimated=True)
        exchange.usage = usage

    # --- what no dialect reads ---

    def _pass_encoded(self, exchange: Exchange, pipeline: Pipeline, answer: UpstreamReply) -> Reply:
        """A stream in an encoding that was not asked for and cannot be read."""
        if pipeline.guard(exchange).on_unreadable() is not None:
            raise UpstreamError(
                Reason.ANSWER_MALFORMED,
                "The provider's stream comes in an encoding that no rule can read.",
                retryable=False,
            )
        return self._pass_unread(exchange, answer)

    def _pass_unread(self, exchange: Exchange, answer: UpstreamReply) -> Reply:
        headers = replies.mark(exchange, header_rules.to_caller(answer.headers))
        exchange.status = answer.status
        length = answer.headers.get("content-length")
        total = int(length) if length.isdigit() else None
        if total is not None:
            headers.add("content-length", length)
        return Reply(answer.status, headers, self._unread(exchange, answer, total))

    async def _unread(
        self, exchange: Exchange, answer: UpstreamReply, total: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Pieces as they come. The record precedes the last one where the length is known, and
        else the end of the body."""
        try:
            while piece := await answer.next_piece():
                exchange.bytes_out += len(piece)
                if exchange.bytes_out == total:
                    exchange.outcome = "answered"
                    await self._closer.close(exchange)
                yield piece
            exchange.outcome = "answered"
            await self._closer.close(exchange)
        except GatewayError as error:
            exchange.reason = error.reason
            exchange.outcome = "upstream_failed"
            await self._closer.close(exchange)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            self._closer.cancelled(exchange)
            raise
        finally:
            answer.close()


def _refuse_redirect(answer: UpstreamReply) -> None:
    """Clients follow a redirect by themselves, past every rule. Raises UpstreamError.

    One that names no host leads back to the gateway.
    """
    if 300 <= answer.status < 400 and _ELSEWHERE.match(answer.headers.get("location")):
        raise UpstreamError(
            Reason.ANSWER_MALFORMED,
            "The provider redirects to another address, where no rule would hold. The operator "
            "must write that address into the policy file, as the upstream's url.",
            retryable=False,
        )


def _is_unread(exchange: Exchange, pipeline: Pipeline) -> bool:
    """Whether nobody wants to know what an answer says: no dialect reads it, or it costs nothing
    and no rule looks at answers (a file may be larger than what is read whole)."""
    call = exchange.call
    assert call is not None
    if call.dialect == "opaque" or exchange.request.method == "HEAD":
        return True
    if call.billable or call.rewrites_answer:
        return False
    rules = pipeline.guard(exchange).rules
    # What an HTTP tool gives holds no calls: of the rules only those on content look at it.
    return rules.idle or (call.dialect == "http_tool" and not rules.content.rules)


def _framing(call: Call, answer: UpstreamReply) -> Framing | None:
    """How the events of a streamed answer are told apart; None for a whole answer."""
    media = answer.headers.get("content-type").partition(";")[0].strip().lower()
    if media == "text/event-stream":
        return SSE
    return call.framings.get(media) if answer.status < 300 else None
