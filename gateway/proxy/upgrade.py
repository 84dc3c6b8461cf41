"""Requests for a WebSocket: Responses are guarded, what nobody can read is a rule's business.

Rules of this file:
- On `/v1/responses` of OpenAI and Azure each response is a call of its own
  (proxy/responses_session.py); the handshake is an exchange too, and ends with its answer. It sends
  nothing upstream, so no rule counts it: refused for a wait, Codex would sit that out in silence.
- On any other path nobody reads the messages, in either direction: where an enforced rule would
  have to, the request is refused; else it is a tunnel, and an exchange as long as it is open.
"""

from __future__ import annotations

import asyncio

from gateway.dialects.base import Surface, Unscannable
from gateway.dialects.paths import plain_path
from gateway.errors import CallerError
from gateway.exchange import Exchange
from gateway.message import Duplex, Headers, Reply, Request, Switch, UpstreamReply
from gateway.policy.rule import Rule
from gateway.proxy import headers as header_rules
from gateway.proxy import reply as replies
from gateway.proxy.closing import Closer
from gateway.proxy.handler import Handler, Read
from gateway.proxy.live import Live
from gateway.proxy.pipe import Pipe
from gateway.proxy.responses_session import ResponsesSession
from gateway.proxy.tunnel import PIPE_ENDS
from gateway.upstream.client import Client, Timeouts
from gateway.upstream.way import Way
from gateway.verdict import Action, Reason
from gateway.websocket import accept, without_handshake

IDLE = 3600.0
"""Seconds without a byte after which a WebSocket that nobody reads is closed."""

_GUARDED = frozenset({"openai", "azure_openai"})
_ASKED = Headers([("Upgrade", "websocket"), ("Connection", "Upgrade")])


class Upgrades:
    """Answers requests for a WebSocket. One a worker."""

    def __init__(self, handler: Handler, *, closer: Closer, client: Client) -> None:
        self._handler = handler
        self._closer = closer
        self._client = client

    async def handle(self, request: Request, read: Read) -> Reply:
        """Answer one request, and record it whatever happens."""
        return await self._handler.handle(request, read, lambda each: self._play(each, read))

    async def _play(self, exchange: Exchange, read: Read) -> Reply:
        live: Live = exchange.snapshot
        await self._handler.accept(exchange, read, unread=True)
        request = exchange.request
        try:
            granted = accept(request.path, request.headers)
        except ValueError as error:
            raise CallerError(
                Reason.UPGRADE_REFUSED, f"This request for a WebSocket cannot be granted: {error}."
            ) from None
        if _is_guarded(request, live):
            await self._closer.open(exchange)
            plain = Request("GET", request.target, without_handshake(request.headers))
            session = ResponsesSession(
                self._handler, self._closer, self._client, plain, live.file.limits.max_body
            )
            reply = Reply(101, replies.mark(exchange, granted), Switch(session.run))
            return await self._closer.end(exchange, reply, "answered")
        return await self._unread(exchange, live)

    # --- what nobody reads ---

    async def _unread(self, exchange: Exchange, live: Live) -> Reply:
        assert exchange.call is not None
        exchange.call.unscannable = [Unscannable("tunnel", Surface.USER, "body")]
        pipeline = live.tenants[exchange.identity.tenant].pipeline
        for rule in pipeline.rules:
            if _has_to_see(rule, exchange):
                verdict = rule.verdict(
                    Action.BLOCK,
                    Reason.UNSCANNABLE_CONTENT,
                    "cannot read the messages of a WebSocket at this path",
                    instead="Use the provider's HTTP API, or /v1/responses over WebSocket.",
                    surface=Surface.USER.value,
                    place="body",
                )
                exchange.decide(verdict)
                return await self._handler.refuse(exchange, verdict)
        if (stopped := await self._handler.judge(exchange)) is not None:
            return stopped
        await self._closer.open(exchange)
        answer = await self._handler.send(exchange, self._switch)
        if answer.duplex is None:
            return await self._handler.pass_on(exchange, answer)
        exchange.mark_first_byte()
        return self._tunnel(exchange, answer.headers, answer.duplex)

    async def _switch(
        self,
        method: str,
        way: Way,
        target: str,
        headers: Headers,
        body: bytes,
        timeouts: Timeouts,
        max_answer: int,
    ) -> UpstreamReply:
        """As `Client.send`: the caller's own handshake goes to upstream as it is."""
        return await self._client.switch(way, target, headers, _ASKED, timeouts, max_answer)

    def _tunnel(self, exchange: Exchange, told: Headers, far: Duplex) -> Reply:
        exchange.status = 101

        async def run(caller: Duplex) -> None:
            pipe = Pipe(caller, far, IDLE)
            try:
                ended = await pipe.run()
            except asyncio.CancelledError:
                self._closer.cancelled(exchange)
                raise
            finally:
                exchange.bytes_in, exchange.bytes_out = pipe.sent, pipe.received
            exchange.mark("answer")
            exchange.outcome, exchange.reason = PIPE_ENDS[ended]
            await self._closer.close(exchange)

        headers = replies.mark(exchange, header_rules.to_caller(told))
        headers.extend(_ASKED.items)
        return Reply(101, headers, Switch(run))


def _is_guarded(request: Request, live: Live) -> bool:
    """Whether what is said on this path can be read, message by message."""
    target = live.router.route(Request("POST", request.target, request.headers))
    return (
        target.dialect == "openai_responses"
        and target.provider in _GUARDED
        and plain_path(target.path).endswith("/responses")
    )


def _has_to_see(rule: Rule, exchange: Exchange) -> bool:
    """Whether a rule is enforced here that judges what it reads, and lets nothing else pass."""
    if rule.shadow or rule.judges == "tunnels":
        return False
    if getattr(rule.options, "unscannable", "allow") == "allow":
        return False
    return rule.when is None or rule.when(exchange)
