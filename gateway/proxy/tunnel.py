"""The forward proxy: CONNECT, judged, connected, and then bytes both ways that nobody reads.

Rules of this file:
- Deny by default: without an enforced `egress` rule that allows the host nothing is connected, and
  never to an upstream's own host, where the rules would be gone around.
- A tunnel is an exchange: it is recorded before anything is connected, and closed with what passed.
- A refusal's reason stands in the status line, the only part of it that most clients show.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.config.forward_proxy import UPSTREAM, ForwardProxy
from gateway.config.policy_file import PolicyFile
from gateway.dialects.hosts import is_address, plain_host
from gateway.dialects.registry import DIALECTS
from gateway.dialects.tunnel import TunnelCall
from gateway.errors import CallerError, OwnError
from gateway.exchange import Exchange, Identity, Target
from gateway.identity.gateway_key import PREFIX
from gateway.identity.tenant import identify
from gateway.message import Duplex, Headers, Reply, Request, Switch
from gateway.policy import limits
from gateway.proxy import reply as replies
from gateway.proxy.client_hello import MAX_HELLO, NotTlsError, server_name
from gateway.proxy.closing import Closer
from gateway.proxy.handler import Handler, Read, check_origin
from gateway.proxy.live import Live
from gateway.proxy.pipe import Ended, Pipe, ShutError
from gateway.proxy.sessions import Sessions
from gateway.state.store import Store
from gateway.upstream.tunnels import Connector, FarEnd
from gateway.verdict import GATEWAY, Action, Reason, Verdict

ACCESS_DENIED = b"\x15\x03\x01\x00\x02\x02\x31"
"""The TLS alert `access_denied` (RFC 8446, 6.2), so that a client says what happened to it."""

_MOST_PIECES = 64
"""Pieces in which a ClientHello may come."""

PIPE_ENDS = {
    Ended.DONE: ("answered", None),
    Ended.CALLER_BROKE: ("cancelled", Reason.CLIENT_GONE),
    Ended.FAR_BROKE: ("upstream_failed", Reason.UPSTREAM_UNREACHABLE),
    Ended.IDLE: ("blocked", Reason.TUNNEL_IDLE),
    Ended.SHUT: ("blocked", Reason.SNI_MISMATCH),
}
"""How a pipe ended -> the exchange's outcome and reason."""


class Tunnels:
    """Answers CONNECT. One a worker; `open` is how many tunnels there are now."""

    def __init__(
        self,
        handler: Handler,
        *,
        store: Store,
        closer: Closer,
        sessions: Sessions,
        connector: Connector,
        digest_key: bytes,
    ) -> None:
        self._handler = handler
        self._store = store
        self._closer = closer
        self._sessions = sessions
        self._connector = connector
        self._digest_key = digest_key
        self.open = 0

    async def handle(self, request: Request, read: Read) -> Reply:
        """Answer one CONNECT, and record it whatever happens."""
        reply = await self._handler.handle(request, read, self._play)
        if reply.status == 407:
            reply.headers.add("proxy-authenticate", 'Basic realm="Portcullis"')
        if not isinstance(reply.body, Switch):
            reason = reply.headers.get("x-portcullis-reason")
            rule = reply.headers.get("x-portcullis-rule")
            reply.phrase = f"Refused by Portcullis: {reason} (rule {rule})"
        return reply

    async def _play(self, exchange: Exchange) -> Reply:
        """The stations of a tunnel."""
        live: Live = exchange.snapshot
        options, call = self._accept(exchange, live)
        await self._sessions.enter(exchange)
        pipeline = live.tenants[exchange.identity.tenant].pipeline
        stopped = await pipeline.on_request(exchange, self._store) or _unallowed(exchange)
        exchange.mark("rules")
        if stopped is not None:
            await limits.release(exchange, self._store)
            reply = replies.for_verdict(exchange, stopped, DIALECTS["tunnel"])
            return await self._closer.end(exchange, reply, "refused")
        self._reserve(options)
        try:
            await self._closer.open(exchange)
            exchange.sent = True
            far = await self._connector.connect(
                call.host, call.port, options.allow_addresses, options.connect_timeout
            )
        except BaseException:
            self.open -= 1
            raise
        exchange.mark("upstream")
        exchange.mark_first_byte()
        exchange.status, exchange.peer = 200, far.address

        async def run(caller: Duplex) -> None:
            try:
                await self._run(exchange, options, caller, far)
            finally:
                self.open -= 1

        return Reply(200, replies.mark(exchange, Headers()), Switch(run), "Connection established")

    # --- before it is connected ---

    def _accept(self, exchange: Exchange, live: Live) -> tuple[ForwardProxy, TunnelCall]:
        """Where to, and who calls. Raises CallerError and OwnError."""
        request = exchange.request
        self._handler.check_draining()
        check_origin(request, live)
        exchange.target = Target(UPSTREAM, UPSTREAM, "tunnel", request.target)
        exchange.dialect = DIALECTS["tunnel"]
        options = live.file.forward_proxy
        if options is None:
            raise CallerError(
                Reason.PROXY_OFF,
                "This gateway is no forward proxy: its policy has no `forward_proxy`. Nothing was "
                "connected. Unset HTTPS_PROXY, and give the gateway's address as the base URL.",
            )
        exchange.identity = _identify(exchange, live, self._digest_key)
        exchange.mark("identify")
        call = exchange.call = exchange.dialect.decode(request, b"")
        assert isinstance(call, TunnelCall)
        if not request.switches:
            raise CallerError(Reason.TARGET_MALFORMED, "CONNECT cannot be granted here.")
        request.target = exchange.target.path = call.authority  # one spelling in the records
        if (call.host, call.port) in set(_upstream_hosts(live.file)):
            raise CallerError(
                Reason.EGRESS_DENIED,
                "This host is an upstream of the gateway, and rules hold for it that could not "
                "read a tunnel. Nothing was connected. Give the gateway's address as the base URL.",
            )
        exchange.mark("decode")
        return options, call

    def _reserve(self, options: ForwardProxy) -> None:
        if self.open >= options.max_tunnels:
            raise OwnError(
                Reason.TUNNELS_EXCEEDED,
                f"This gateway has {self.open} tunnels open, and takes no more "
                "(`forward_proxy.max_tunnels`). Nothing was connected.",
                retryable=True,
            )
        self.open += 1

    # --- while it is open ---

    async def _run(
        self, exchange: Exchange, options: ForwardProxy, caller: Duplex, far: FarEnd
    ) -> None:
        call = exchange.call
        assert isinstance(call, TunnelCall)
        gate = SniGate(call.host, call.port) if options.check_sni else None
        pipe = Pipe(caller, far.duplex, options.idle_timeout, gate.look if gate else None)
        try:
            ended = await pipe.run()
        except asyncio.CancelledError:
            self._closer.cancelled(exchange)
            raise
        finally:
            exchange.bytes_in, exchange.bytes_out = pipe.sent, pipe.received
        exchange.mark("answer")
        exchange.outcome, exchange.reason = PIPE_ENDS[ended]
        if exchange.outcome == "blocked" and exchange.reason is not None:
            exchange.decide(Verdict(Action.BLOCK, exchange.reason, GATEWAY))
        await self._closer.close(exchange)


class SniGate:
    """Lets TLS through that names the host of its tunnel; on other ports than 443 also what is no
    TLS. Where the host is an address, TLS names none, or the address."""

    def __init__(self, host: str, port: int) -> None:
        self._names = {"", host} if is_address(host) else {host}
        self._tls_only = port == 443
        self._pieces = 0

    def look(self, first: bytes) -> bytes | None:
        """See `pipe.Gate`."""
        self._pieces += 1
        try:
            named = server_name(first)
            if named:
                named = plain_host(named)
        except NotTlsError:
            if self._tls_only or first[:1] == b"\x16":
                raise ShutError(ACCESS_DENIED) from None
            return first
        except ValueError:
            raise ShutError(ACCESS_DENIED) from None
        if named is None:
            if self._pieces >= _MOST_PIECES or len(first) > 2 * MAX_HELLO:
                raise ShutError(ACCESS_DENIED)
            return None
        if named not in self._names:
            raise ShutError(ACCESS_DENIED)
        return first


def _unallowed(exchange: Exchange) -> Verdict | None:
    """The gateway's own verdict where no rule allows the host."""
    for verdict in exchange.verdicts:
        if verdict.reason is Reason.EGRESS_ALLOWED and not verdict.shadow:
            return None
    verdict = Verdict(
        Action.BLOCK,
        Reason.EGRESS_DENIED,
        GATEWAY,
        "allows no host that no `egress` rule allows",
        "Do without this host, or ask the operator of the gateway to allow it.",
    )
    exchange.decide(verdict)
    return verdict


def _upstream_hosts(file: PolicyFile) -> Iterator[tuple[str, int]]:
    for options in file.upstreams.values():
        parts = urlsplit(options.url)
        try:
            host = plain_host(parts.hostname or "")
        except ValueError:
            continue
        yield host, parts.port or (443 if parts.scheme == "https" else 80)


def _identify(exchange: Exchange, live: Live, digest_key: bytes) -> Identity:
    """Who calls, by `Proxy-Authorization`. Raises CallerError: 407 for a bad or missing key."""
    headers = exchange.request.headers
    given = Headers(
        [
            *(("authorization", f"Bearer {key}") for key in _proxy_keys(headers)),
            *(pair for pair in headers if pair[0].lower().startswith("x-portcullis-")),
        ]
    )
    try:
        return identify(given, live.keys, live.file.default_tenant, exchange.now, digest_key)
    except CallerError as error:
        if error.status == 401:
            error.status = 407
            error.message += " A proxy takes it as http://KEY:x@HOST:PORT."
        raise


def _proxy_keys(headers: Headers) -> list[str]:
    """The keys in `Proxy-Authorization`: a bearer token, or what of a user and a password looks
    like a key of ours."""
    keys: list[str] = []
    for name, value in headers:
        if name.lower() != "proxy-authorization":
            continue
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            keys.append(rest.strip())
        elif scheme.lower() == "basic":
            try:
                user, _, word = base64.b64decode(rest, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                continue
            keys += [each for each in (user, word) if each.startswith(PREFIX)]
    return keys
