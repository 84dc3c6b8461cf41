"""The life of a request. Read `handle` first; the rest are its stations.

accept -> identify -> decode -> rules on the request -> upstream
       -> rules on each piece of the answer -> reply -> record
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from gateway.dialects.base import Dialect
from gateway.dialects.registry import caller_dialect
from gateway.errors import CallerError, GatewayError, OwnError, UpstreamError
from gateway.exchange import Exchange
from gateway.identity.query_key import query_keys, without_keys
from gateway.identity.tenant import identify, is_stripped
from gateway.message import Headers, Reply, Request, UpstreamReply
from gateway.policy.pipeline import Pipeline
from gateway.proxy import headers as header_rules
from gateway.proxy import reply as replies
from gateway.proxy.body import unpack
from gateway.proxy.charset import refuse_charset
from gateway.proxy.closing import Closer
from gateway.proxy.live import Live, UpstreamPlan
from gateway.proxy.relay import Relay
from gateway.proxy.sessions import Sessions
from gateway.proxy.tool_calls import set_price, take_slot, timeouts_of
from gateway.state.store import Store
from gateway.upstream.client import Client, Timeouts
from gateway.upstream.slots import Slots
from gateway.upstream.way import Way
from gateway.verdict import Reason, Verdict

Read = Callable[[int], Awaitable[bytes]]
Begin = Callable[[Request], Exchange]
Play = Callable[[Exchange], Awaitable[Reply]]
Caller = Callable[
    [str, Way, str, Headers, bytes, Timeouts, int], Coroutine[Any, Any, UpstreamReply]
]
"""As `Client.send`."""

_READ_BY_CHARSET = frozenset({"opaque", "http_tool"})
"""Dialects that do not take a body for UTF-8: one reads none, the other goes by its charset."""

_log = logging.getLogger("portcullis.proxy")


class Handler:
    """Handles one worker's calls.

    Args:
        begin: makes an exchange with its id, clock and the policy snapshot of the moment.
        digest_key: keys the digest by which a caller's own credential is known.
    """

    def __init__(
        self,
        *,
        begin: Begin,
        store: Store,
        client: Client,
        closer: Closer,
        sessions: Sessions,
        digest_key: bytes,
    ) -> None:
        self._begin = begin
        self._store = store
        self._client = client
        self._closer = closer
        self._sessions = sessions
        self._digest_key = digest_key
        self._relay = Relay(closer, store)
        self._slots = Slots()
        self.draining = False

    async def handle(
        self, request: Request, read: Read, play: Play | None = None, caller: Caller | None = None
    ) -> Reply:
        """Answer one request, and record it whatever happens.

        Args:
            play: stands in the place of the stations: a tunnel, a handshake.
            caller: calls upstream, where that is not an HTTP request of its own.
        """
        exchange = self._begin(request)
        self._closer.begin(exchange)
        try:
            if play is not None:
                return await play(exchange)
            await self.accept(exchange, read)
            pipeline = self._pipeline(exchange)
            if pipeline.rules:
                stopped = await pipeline.on_request(exchange, self._store)
                exchange.mark("rules")
                if stopped is not None:
                    return await self.refuse(exchange, stopped)
            assert exchange.call is not None
            if exchange.call.invokes:
                busy = await take_slot(self._slots, exchange)
                if busy is not None:
                    return await self.refuse(exchange, busy)
            await self._closer.open(exchange)
            answer = await self.send(exchange, caller or self._client.send)
            return await self._relay.pass_on(exchange, pipeline, answer)
        except GatewayError as error:
            reply = replies.for_error(exchange, error, _dialect(exchange))
            return await self._closer.failed(exchange, reply)
        except asyncio.CancelledError:
            self._closer.cancelled(exchange)
            raise
        except Exception as error:  # noqa: BLE001
            _log.exception("internal error", extra={"exchange": exchange.id})
            failure = OwnError(
                Reason.INTERNAL_ERROR,
                f"Portcullis failed on this call ({type(error).__name__}). Its log says more.",
            )
            reply = replies.for_error(exchange, failure, _dialect(exchange))
            return await self._closer.failed(exchange, reply)

    def drain(self) -> None:
        """Take no new calls; end at once what has no end of its own."""
        self.draining = True
        self._relay.drain()

    # --- stations ---

    def check_draining(self) -> None:
        """Raises OwnError where no new calls are taken."""
        if self.draining:
            raise OwnError(
                Reason.DRAINING, "This gateway is shutting down. Send again.", retryable=True
            )

    async def pass_on(self, exchange: Exchange, answer: UpstreamReply) -> Reply:
        """The reply to the caller: upstream's answer, as far as rules let it."""
        return await self._relay.pass_on(exchange, self._pipeline(exchange), answer)

    async def judge(self, exchange: Exchange) -> Reply | None:
        """What rules say of a request that was accepted: the refusal, or None."""
        stopped = await self._pipeline(exchange).on_request(exchange, self._store)
        exchange.mark("rules")
        return None if stopped is None else await self.refuse(exchange, stopped)

    async def accept(self, exchange: Exchange, read: Read, *, unread: bool = False) -> None:
        """Who calls, where to, and what it says.

        Args:
            unread: no dialect reads the body, and it goes where a POST to this path would go.
        """
        live: Live = exchange.snapshot
        request = exchange.request
        self.check_draining()
        check_origin(request, live)
        check_host(request, live)
        if unread:
            asked = Request("POST", request.target, request.headers)
            exchange.target = replace(live.router.route(asked), dialect="opaque")
        else:
            exchange.target = live.router.route(request)
        exchange.dialect = live.router.dialect(exchange.target)
        exchange.identity = identify(
            request.headers,
            live.keys,
            live.file.default_tenant,
            exchange.now,
            self._digest_key,
            query_keys(exchange.target.path, exchange.target.provider),
        )
        exchange.mark("identify")
        limit = live.file.limits.max_body
        request.body = await read(limit)
        exchange.bytes_in = len(request.body)
        exchange.mark("read")
        encoding = request.headers.get("content-encoding")
        body = request.body
        if encoding and (exchange.target.dialect != "opaque"):
            body = unpack(body, encoding, limit)
        if body and exchange.target.dialect not in _READ_BY_CHARSET:
            refuse_charset(request.headers)
        exchange.call = exchange.dialect.decode(request, body)
        if exchange.trace is not None:
            exchange.trace.read(exchange, exchange.call)
        if exchange.call.invokes:
            set_price(exchange)
        exchange.mark("decode")
        await self._sessions.enter(exchange)
        exchange.mark("session")

    @staticmethod
    def _pipeline(exchange: Exchange) -> Pipeline:
        live: Live = exchange.snapshot
        return live.tenants[exchange.identity.tenant].pipeline

    async def refuse(self, exchange: Exchange, stopped: Verdict) -> Reply:
        """The reply to a request that goes no further."""
        assert exchange.call is not None
        reply = replies.for_verdict(exchange, stopped, _dialect(exchange))
        wait = math.ceil(stopped.retry_after or 0)
        body = exchange.call.carried(stopped.reason.value, exchange.id, wait)
        if body is not None:
            await self._carry(exchange, body, reply)
        return await self._closer.end(exchange, reply, "refused")

    async def _carry(self, exchange: Exchange, body: bytes, reply: Reply) -> None:
        """Have upstream answer on the caller's other stream (dialects/mcp_carrier.py)."""
        live: Live = exchange.snapshot
        assert exchange.target is not None
        plan = live.upstreams[exchange.target.upstream]
        headers = self._headers(exchange, plan)
        headers.remove("content-encoding")
        limit = live.file.limits.max_answer
        path = without_keys(
            exchange.target.path,
            exchange.target.provider,
            upstream_has_credential=plan.credential is not None,
        )
        try:
            answer = await self._client.send(
                "POST", plan.way, path, headers, body, plan.timeouts, limit
            )
            await answer.read()
        except UpstreamError:
            return  # the reply says it, to whom it reads
        if answer.status < 300:
            reply.status, reply.body = 202, b""
            reply.headers.remove("content-type")

    @staticmethod
    def _headers(exchange: Exchange, plan: UpstreamPlan) -> Headers:
        """The caller's own headers, but for what must not travel."""
        return header_rules.to_upstream(
            exchange.request.headers,
            drop_credentials=_is_ours if exchange.identity.key_id else None,
            credential=plan.credential,
        )

    async def send(self, exchange: Exchange, send: Caller) -> UpstreamReply:
        """Call upstream: the caller's own bytes and headers, but for what must not travel."""
        live: Live = exchange.snapshot
        target, call = exchange.target, exchange.call
        assert target is not None and call is not None
        plan = live.upstreams[target.upstream]
        headers = self._headers(exchange, plan)
        judged = bool(self._pipeline(exchange).rules) and target.dialect != "opaque"
        if judged or call.rewrites_answer:
            header_rules.readable_only(headers, stream=call.stream)
        if exchange.trace is not None:
            exchange.trace.sends(exchange, headers, tells=not plan.drops_context)
        if plan.drops_context:
            header_rules.drop_context(headers)
            call.drop_context()
        body = exchange.request.body
        if call.document.changed:
            body = call.encode()
            headers.remove("content-encoding")
            call.mend_headers(headers)
        path = without_keys(
            call.target(target.path),
            target.provider,
            upstream_has_credential=plan.credential is not None,
        )
        exchange.sent = True
        answer = await send(
            exchange.request.method,
            plan.way,
            path,
            headers,
            body,
            timeouts_of(plan, call),
            live.file.limits.max_answer,
        )
        exchange.upstream_status = answer.status
        if call.endless:
            answer.be_patient()
        exchange.mark("upstream")
        return answer


def _is_ours(name: str, value: str) -> bool:
    """Whether a header holds a gateway key."""
    return is_stripped(name, value, upstream_has_credential=False)


def _dialect(exchange: Exchange) -> Dialect:
    """The dialect in which the caller expects the gateway's own replies."""
    target, headers = exchange.target, exchange.request.headers
    if target is None:
        return caller_dialect("opaque", headers)
    return caller_dialect(target.dialect, headers, target.provider, target.path)


@functools.lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    """The name in a Host header: without a user, without a port."""
    host = host.rpartition("@")[2].lower()
    return host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host


def check_origin(request: Request, live: Live) -> None:
    """No call comes from a web page whose origin is not listed. Raises CallerError."""
    origin = request.headers.get("origin")
    if origin and origin not in live.origins:
        raise CallerError(
            Reason.ORIGIN_DENIED,
            "This gateway takes no calls from web pages. The operator can list an origin under "
            "`listener.origins`.",
            status=403,
        )


def check_host(request: Request, live: Live) -> None:
    """A loopback listener takes no foreign Host (DNS rebinding). Raises CallerError."""
    if live.check_host and _host_name(request.headers.get("host")) not in live.hosts:
        raise CallerError(
            Reason.HOST_DENIED,
            "This gateway listens on loopback and was called by a name that is not its own. "
            "The operator can list a host under `listener.hosts`.",
            status=403,
        )
